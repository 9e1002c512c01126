/**
 * Writes the C text of a program with thousands of different functions, each of which is called once: all of its time
 * goes into code that is new. With more work than 1 it copies the functions to fresh memory and calls the copies once.
 *
 * A copy must run where it lies, so the functions hold no 64-bit constants, calls or tables, which would be looked up
 * relative to them.
 */

const FUNCTIONS = 2500;
const STATEMENTS = 12;
/** splitmix32: the same program each time. */
const SEED = 0x7461_7561;

/** The same text at every call. */
export function largeProgram(): string {
  const next = randomNumbers(SEED);
  const functions = Array.from({ length: FUNCTIONS }, (_, index) => oneFunction(index, next));
  const names = Array.from({ length: FUNCTIONS }, (_, index) => `f${index},`);
  return `${HEAD}
${functions.join("\n")}
static const function functions[] = {
${names.join(" ")}
};
${MAIN}`;
}

function oneFunction(index: number, next: () => number): string {
  const lines = Array.from({ length: STATEMENTS }, () => statement(next));
  return `BULK uint64_t f${index}(uint64_t a, uint64_t b) {\n  uint64_t c = a ^ ${next() % 2048}, d = b + ${index};\n${lines.join("\n")}\n  return a ^ b ^ c ^ d;\n}`;
}

function statement(next: () => number): string {
  const name = (): string => "abcd"[next() % 4] as string;
  const small = (): number => 1 + (next() % 1000);
  const first = next();
  const [one, other] = ["abcd"[first % 4], "abcd"[(first + 1 + ((first >>> 8) % 3)) % 4]];
  const forms = [
    () => `  ${name()} += ${name()} * ${small()};`,
    () => `  ${name()} ^= ${name()} >> ${1 + (next() % 31)};`,
    () => `  ${name()} = (${name()} << ${1 + (next() % 31)}) + ${name()};`,
    () => `  if (${name()} & ${1 << (next() % 10)}) ${name()} -= ${name()} + ${small()};`,
    () => `  if (${one} > ${other}) ${name()} ^= ${small()};`,
    () => `  for (int i = 0; i < ${2 + (next() % 2)}; i++) ${name()} = ${name()} * 5 + ${small()};`,
  ];
  return (forms[next() % forms.length] as () => string)();
}

function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x9e37_79b9) | 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0_aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a_2d97);
    return (z ^ (z >>> 15)) >>> 0;
  };
}

const HEAD = `#include "bench.h"
#include <string.h>
#include <sys/mman.h>

#define BULK __attribute__((noinline, noclone, section("bulk")))

typedef uint64_t (*function)(uint64_t, uint64_t);
`;

const MAIN = `
extern char __start_bulk[], __stop_bulk[];

int main(int argc, char **argv) {
  uint64_t passes = bench_argument(argc, argv, 1), hash = 0;
  size_t size_bytes = (size_t)(__stop_bulk - __start_bulk);
  for (uint64_t pass = 0; pass < passes; pass++) {
    char *code = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bench_check(code != MAP_FAILED, "mmap");
    memcpy(code, __start_bulk, size_bytes);
    __builtin___clear_cache(code, code + size_bytes);
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
      function copied = (function)(code + ((char *)functions[i] - __start_bulk));
      hash = bench_mix(hash, copied(hash, pass + i));
    }
  }
  return bench_finish(hash);
}
`;
