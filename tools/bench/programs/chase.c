/* chase N: N thousand steps along a random cycle through 8 MiB of pointers: each load needs the one before it. */
#include "bench.h"

enum { SLOTS = 1 << 20 };

int main(int argc, char **argv) {
  uint64_t steps = bench_argument(argc, argv, 1) * 1000, random = 1;
  static void *slots[SLOTS];
  static uint32_t order[SLOTS];
  for (uint32_t i = 0; i < SLOTS; i++) order[i] = i;
  for (uint32_t i = SLOTS - 1; i > 0; i--) {
    uint32_t k = (uint32_t)(bench_random(&random) % (i + 1)), other = order[k];
    order[k] = order[i];
    order[i] = other;
  }
  for (uint32_t i = 0; i < SLOTS; i++) slots[order[i]] = &slots[order[(i + 1) % SLOTS]];
  void **at = &slots[order[0]];
  for (uint64_t i = 0; i < steps; i++) at = *at;
  return bench_finish(bench_mix(steps, (uint64_t)(at - slots)));
}
