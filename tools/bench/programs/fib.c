/* fib N: N times the 27th Fibonacci number by the doubly recursive definition. */
#include "bench.h"

/* One call a level: gcc would otherwise unfold the recursion into loops of its own. */
__attribute__((noinline, noipa, optimize("no-optimize-sibling-calls"))) static uint64_t fib(uint64_t n) {
  return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

int main(int argc, char **argv) {
  uint64_t rounds = bench_argument(argc, argv, 1), hash = 0;
  for (uint64_t round = 0; round < rounds; round++) hash = bench_mix(hash, fib(27));
  return bench_finish(hash);
}
