/* getppid N: N thousand of the cheapest system calls. */
#include "bench.h"
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv) {
  uint64_t calls = bench_argument(argc, argv, 1) * 1000, same = 0;
  long first = syscall(SYS_getppid);
  for (uint64_t i = 0; i < calls; i++) same += syscall(SYS_getppid) == first;
  return bench_finish(bench_mix(bench_mix(1, calls), same));
}
