/*
 * The driver in the guest: reads commands from the console, a line each, and answers each with a line.
 *
 *   run NAME PROGRAM [ARGUMENT...]   ->   BENCH NAME NANOSECONDS OUTPUT       fork to wait, by CLOCK_MONOTONIC
 *                                         BENCH-FAILED NAME REASON            it did not exit with 0
 *   quit                             ->   the machine is switched off
 *
 * Says BENCH-READY once. OUTPUT is what the program printed, with an underscore for each space and line end between.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum { MAX_WORDS = 32, MAX_OUTPUT = 512, CONSOLE_LEVEL = 8 };

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* Reads to the end; what does not fit is read and dropped. */
static void collect(int from, char *output) {
  size_t length = 0;
  char chunk[256];
  for (;;) {
    ssize_t got = read(from, chunk, sizeof chunk);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    for (ssize_t i = 0; i < got && length < MAX_OUTPUT - 1; i++) output[length++] = chunk[i];
  }
  while (length > 0 && (output[length - 1] == '\n' || output[length - 1] == ' ')) length--;
  output[length] = '\0';
  for (char *c = output; *c; c++) {
    if (*c <= ' ' || *c > '~') *c = '_';
  }
}

static void child(char **words, int out) {
  int null = open("/dev/null", O_RDONLY);
  dup2(null, 0);
  dup2(out, 1);
  dup2(out, 2);
  execvp(words[0], words);
  fprintf(stderr, "cannot start %s: %s\n", words[0], strerror(errno));
  _exit(127);
}

static void run(const char *name, char **words) {
  int pipes[2], status = 0;
  char output[MAX_OUTPUT];
  if (pipe2(pipes, O_CLOEXEC) != 0) {
    printf("BENCH-FAILED %s pipe: %s\n", name, strerror(errno));
    return;
  }
  uint64_t start = now_ns();
  pid_t pid = fork();
  if (pid == 0) child(words, pipes[1]);
  close(pipes[1]);
  collect(pipes[0], output);
  if (pid > 0) waitpid(pid, &status, 0);
  uint64_t end = now_ns();
  close(pipes[0]);
  if (pid < 0) {
    printf("BENCH-FAILED %s fork\n", name);
  } else if (WIFSIGNALED(status)) {
    printf("BENCH-FAILED %s signal %d %s\n", name, WTERMSIG(status), output);
  } else if (WEXITSTATUS(status) != 0) {
    printf("BENCH-FAILED %s status %d %s\n", name, WEXITSTATUS(status), output);
  } else {
    printf("BENCH %s %llu %s\n", name, (unsigned long long)(end - start), *output ? output : "-");
  }
}

static void silence_console(void) {
  struct termios terminal;
  klogctl(CONSOLE_LEVEL, NULL, 1);
  if (tcgetattr(0, &terminal) != 0) return;
  terminal.c_lflag &= ~(tcflag_t)ECHO;
  tcsetattr(0, TCSANOW, &terminal);
}

int main(void) {
  char line[1024], *words[MAX_WORDS + 1];
  setvbuf(stdout, NULL, _IOLBF, 0);
  silence_console();
  puts("BENCH-READY");
  while (fgets(line, sizeof line, stdin)) {
    int count = 0;
    for (char *word = strtok(line, " \r\n"); word && count < MAX_WORDS; word = strtok(NULL, " \r\n")) {
      words[count++] = word;
    }
    words[count] = NULL;
    if (count == 0) continue;
    if (strcmp(words[0], "quit") == 0) break;
    if (strcmp(words[0], "run") == 0 && count >= 3) run(words[1], &words[2]);
    else printf("BENCH-FAILED %s this is no command\n", words[0]);
  }
  sync();
  reboot(RB_POWER_OFF);
  return 1;
}
