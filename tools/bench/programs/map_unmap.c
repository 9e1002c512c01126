/* map_unmap N: N thousand times 64 KiB mapped, one page of it touched, unmapped. */
#include "bench.h"
#include <sys/mman.h>

enum { BYTES = 64 << 10 };

int main(int argc, char **argv) {
  uint64_t times = bench_argument(argc, argv, 1) * 1000, hash = 0;
  for (uint64_t i = 0; i < times; i++) {
    uint8_t *memory = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bench_check(memory != MAP_FAILED, "mmap");
    memory[i * 4096 % BYTES] = (uint8_t)i;
    hash = bench_mix(hash, memory[i * 4096 % BYTES]);
    bench_check(munmap(memory, BYTES) == 0, "munmap");
  }
  return bench_finish(hash);
}
