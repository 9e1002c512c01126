/* pipe_ping N: N thousand times a number goes to another process and comes back, each way through a pipe. */
#include "bench.h"
#include <sys/wait.h>
#include <unistd.h>

static int take(int from, uint64_t *value) {
  return read(from, value, sizeof *value) == sizeof *value;
}

static int give(int to, uint64_t value) {
  return write(to, &value, sizeof value) == sizeof value;
}

int main(int argc, char **argv) {
  uint64_t trips = bench_argument(argc, argv, 1) * 1000, hash = 0, value;
  int there[2], back[2], status;
  bench_check(pipe(there) == 0 && pipe(back) == 0, "pipe");
  pid_t child = fork();
  bench_check(child >= 0, "fork");
  if (child == 0) {
    for (uint64_t i = 0; i < trips; i++) {
      if (!take(there[0], &value) || !give(back[1], value * 3 + 1)) _exit(1);
    }
    _exit(0);
  }
  for (uint64_t i = 0; i < trips; i++) {
    bench_check(give(there[1], i) && take(back[0], &value), "pipe");
    hash = bench_mix(hash, value);
  }
  bench_check(waitpid(child, &status, 0) == child && status == 0, "the other process failed");
  return bench_finish(hash);
}
