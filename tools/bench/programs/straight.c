/*
 * straight N INSTRUCTIONS: a loop around INSTRUCTIONS (600 or 3000) without a branch, as unrolled ciphers are, until N
 * million instructions were carried out. They have 4 bytes each; 3000 of them are the whole of two pages and parts of
 * others. With 3001 there is one of 2 bytes in front of the 3000, so that one lies across each border of pages.
 */
#include "bench.h"

#define BODY(times, first)                                                                                             \
  __asm__ volatile(".option push\n.option norvc\n.balign 4\n" first ".rept " #times                                    \
                   "\nadd %0, %0, %1\nxor %1, %1, %0\nslliw %1, %1, 1\n.endr\n.option pop"                             \
                   : "+r"(a), "+r"(b))

static NOINLINE uint64_t of_600(uint64_t rounds, uint64_t a, uint64_t b) {
  for (uint64_t i = 0; i < rounds; i++) BODY(200, "");
  return a ^ b;
}

static NOINLINE uint64_t of_3000(uint64_t rounds, uint64_t a, uint64_t b) {
  for (uint64_t i = 0; i < rounds; i++) BODY(1000, "");
  return a ^ b;
}

static NOINLINE uint64_t of_3001(uint64_t rounds, uint64_t a, uint64_t b) {
  for (uint64_t i = 0; i < rounds; i++) BODY(1000, ".option rvc\nc.nop\n.option norvc\n");
  return a ^ b;
}

int main(int argc, char **argv) {
  uint64_t millions = bench_argument(argc, argv, 1), size = bench_argument(argc, argv, 2);
  bench_check(size == 600 || size == 3000 || size == 3001, "the second argument is 600, 3000 or 3001");
  uint64_t rounds = millions * 1000000 / size;
  return bench_finish(size == 600 ? of_600(rounds, 1, 2) : size == 3000 ? of_3000(rounds, 1, 2) : of_3001(rounds, 1, 2));
}
