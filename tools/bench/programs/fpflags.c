/*
 * fpflags N: N thousand rounds of floating-point operations, each followed by a look at the exception flags, as careful
 * numerical code does; in single and double precision, with results that are exact, inexact, huge, tiny or invalid.
 */
#include "bench.h"
#include <fenv.h>
#include <math.h>
#include <string.h>

static uint64_t hash;

static void note(double value) {
  uint64_t bits;
  memcpy(&bits, &value, sizeof bits);
  hash = bench_mix(hash, isnan(value) ? 1 : bits);
  hash = bench_mix(hash, (uint64_t)fetestexcept(FE_ALL_EXCEPT));
  feclearexcept(FE_ALL_EXCEPT);
}

int main(int argc, char **argv) {
  uint64_t rounds = bench_argument(argc, argv, 1) * 1000, random = 9;
  for (uint64_t i = 0; i < rounds; i++) {
    uint64_t r = bench_random(&random);
    volatile double x = (double)(int64_t)r, y = (double)(r & 0xffff) / 64.0, tiny = 0x1p-1000;
    volatile float f = (float)(r >> 40), g = (float)(r & 0xff);
    note(x + y);
    note(x * y);
    note(y * 0.25);
    note(x / y);
    note(sqrt(y));
    note(fma(x, y, -1.0));
    note((double)(f * g));
    note((double)(f / g));
    if ((i & 15) == 0) note(tiny * tiny);
    if ((i & 15) == 8) note(sqrt(-y - 1.0));
    note((double)(int32_t)y);
  }
  return bench_finish(hash);
}
