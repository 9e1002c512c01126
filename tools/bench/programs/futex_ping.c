/*
 * futex_ping N [CPU]: N thousand round trips between two processes that sleep on a shared word in turn. With CPU (the
 * first is 1) both stay on that one, so that each trip is two context switches; without, each wakes the other's vCPU.
 */
#include "bench.h"
#include <linux/futex.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void pass(uint32_t *turn, uint32_t mine, uint64_t trips) {
  for (uint64_t i = 0; i < trips; i++) {
    while (__atomic_load_n(turn, __ATOMIC_ACQUIRE) != mine) syscall(SYS_futex, turn, FUTEX_WAIT, !mine, NULL, NULL, 0);
    __atomic_store_n(turn, !mine, __ATOMIC_RELEASE);
    syscall(SYS_futex, turn, FUTEX_WAKE, 1, NULL, NULL, 0);
  }
}

int main(int argc, char **argv) {
  uint64_t trips = bench_argument(argc, argv, 1) * 1000;
  int status;
  if (argc > 2) {
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(bench_argument(argc, argv, 2) - 1, &cpus);
    bench_check(sched_setaffinity(0, sizeof cpus, &cpus) == 0, "sched_setaffinity");
  }
  uint32_t *turn = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  bench_check(turn != MAP_FAILED, "mmap");
  pid_t child = fork();
  bench_check(child >= 0, "fork");
  pass(turn, child == 0, trips);
  if (child == 0) _exit(0);
  bench_check(waitpid(child, &status, 0) == child && status == 0, "the other process failed");
  return bench_finish(bench_mix(trips, *turn));
}
