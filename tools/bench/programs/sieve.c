/* sieve N: N times the primes below 2^20 by the sieve of Eratosthenes, a byte a number. */
#include "bench.h"
#include <string.h>

enum { LIMIT = 1 << 20 };

int main(int argc, char **argv) {
  uint64_t rounds = bench_argument(argc, argv, 1), hash = 0;
  static uint8_t composite[LIMIT];
  for (uint64_t round = 0; round < rounds; round++) {
    memset(composite, 0, sizeof composite);
    uint64_t count = 0, last = 0;
    for (uint32_t i = 2; i < LIMIT; i++) {
      if (composite[i]) continue;
      count++;
      last = i;
      for (uint64_t k = (uint64_t)i * i; k < LIMIT; k += i) composite[k] = 1;
    }
    hash = bench_mix(bench_mix(hash, count), last);
  }
  return bench_finish(hash);
}
