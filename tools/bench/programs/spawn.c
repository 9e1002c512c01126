/* spawn N: N times fork, exec of a small static program, and wait. */
#include "bench.h"
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv) {
  uint64_t times = bench_argument(argc, argv, 1), hash = 0;
  for (uint64_t i = 0; i < times; i++) {
    int status;
    pid_t child = fork();
    bench_check(child >= 0, "fork");
    if (child == 0) {
      execl("/bench/nothing", "nothing", (char *)NULL);
      _exit(1);
    }
    bench_check(waitpid(child, &status, 0) == child && WIFEXITED(status), "wait");
    hash = bench_mix(hash, (uint64_t)WEXITSTATUS(status));
  }
  return bench_finish(hash);
}
