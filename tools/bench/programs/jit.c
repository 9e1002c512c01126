/*
 * jit N HOW: N thousand small functions, each written, made visible to instruction fetch and called three times. They
 * go round 64 places, so that each lies where another one was. HOW is 1 for the instruction fence.i, 2 for the
 * compiler's __builtin___clear_cache, which on Linux is a system call.
 */
#include "bench.h"
#include <sys/mman.h>

enum { PLACES = 64, WORDS = 32, OPERATIONS = 12, CALLS = 3, RET = 0x00008067 };

typedef uint64_t (*function)(uint64_t, uint64_t);

/* An instruction on a0 (and a1) chosen by 32 random bits. */
static uint32_t operation(uint32_t random) {
  uint32_t immediate = (random >> 8) & 0x7ff;
  switch (random % 6) {
    case 0: return immediate << 20 | 10 << 15 | 0 << 12 | 10 << 7 | 0x13; /* addi a0, a0, immediate */
    case 1: return immediate << 20 | 10 << 15 | 4 << 12 | 10 << 7 | 0x13; /* xori a0, a0, immediate */
    case 2: return (immediate % 8 + 1) << 20 | 10 << 15 | 1 << 12 | 10 << 7 | 0x13; /* slli a0, a0, 1 to 8 */
    case 3: return 11 << 20 | 10 << 15 | 0 << 12 | 10 << 7 | 0x33; /* add a0, a0, a1 */
    case 4: return 11 << 20 | 10 << 15 | 4 << 12 | 10 << 7 | 0x33; /* xor a0, a0, a1 */
    default: return 1 << 25 | 11 << 20 | 10 << 15 | 0 << 12 | 10 << 7 | 0x33; /* mul a0, a0, a1 */
  }
}

int main(int argc, char **argv) {
  uint64_t functions = bench_argument(argc, argv, 1) * 1000, how = bench_argument(argc, argv, 2);
  uint64_t random = functions, hash = 0;
  bench_check(how <= 2, "the second argument is 1 or 2");
  uint32_t(*code)[WORDS] = mmap(NULL, PLACES * sizeof *code, PROT_READ | PROT_WRITE | PROT_EXEC,
                                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  bench_check(code != MAP_FAILED, "mmap");
  for (uint64_t i = 0; i < functions; i++) {
    uint32_t *place = code[i % PLACES];
    for (int k = 0; k < OPERATIONS; k++) place[k] = operation((uint32_t)bench_random(&random));
    place[OPERATIONS] = RET;
    if (how == 1) __asm__ volatile("fence.i" ::: "memory");
    else __builtin___clear_cache((char *)place, (char *)(place + WORDS));
    for (int k = 0; k < CALLS; k++) hash = bench_mix(hash, ((function)place)(hash, i | 1));
  }
  return bench_finish(hash);
}
