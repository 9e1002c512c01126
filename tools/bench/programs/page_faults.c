/* page_faults N: N times 4 MiB of fresh memory, written to once a page, given back. No large pages. */
#include "bench.h"
#include <sys/mman.h>

enum { BYTES = 4 << 20, PAGE = 4096 };

int main(int argc, char **argv) {
  uint64_t rounds = bench_argument(argc, argv, 1), hash = 0;
  for (uint64_t round = 0; round < rounds; round++) {
    uint8_t *memory = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bench_check(memory != MAP_FAILED, "mmap");
    madvise(memory, BYTES, MADV_NOHUGEPAGE); /* fails where there are none, which is as good */
    for (uint32_t i = 0; i < BYTES; i += PAGE) {
      memory[i] += (uint8_t)(i / PAGE + 1);
      hash = bench_mix(hash, (uint64_t)memory[i] + memory[i + 1]);
    }
    bench_check(munmap(memory, BYTES) == 0, "munmap");
  }
  return bench_finish(hash);
}
