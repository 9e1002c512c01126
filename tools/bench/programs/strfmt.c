/* strfmt N: N thousand lines formatted by snprintf: integers, padding, hexadecimal, strings, a decimal fraction. */
#include "bench.h"

int main(int argc, char **argv) {
  uint64_t lines = bench_argument(argc, argv, 1) * 1000, random = 7, hash = 0;
  static const char *const names[] = {"alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta"};
  for (uint64_t i = 0; i < lines; i++) {
    char line[160];
    uint64_t r = bench_random(&random);
    int length = snprintf(line, sizeof line, "%08llu %-10s|%6d|%#llx|%.3f %c\n", (unsigned long long)i, names[r & 7],
                          (int)(r >> 40) - (1 << 23), (unsigned long long)(r >> 8), (double)(r >> 44) / 512.0,
                          (char)('A' + (r >> 3) % 26));
    for (int k = 0; k < length; k += 8) hash = bench_mix(hash, (uint8_t)line[k]);
  }
  return bench_finish(hash);
}
