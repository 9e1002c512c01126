/* make_text N: writes N KiB of lines (two words, a number, a hexadecimal number) to /tmp/text, in tmpfs. */
#include "bench.h"

int main(int argc, char **argv) {
  uint64_t bytes = bench_argument(argc, argv, 1) * 1024, written = 0, random = 12;
  static const char *const syllables[] = {"ti", "na", "mou", "ra", "ke", "lo", "su", "wen"};
  FILE *file = fopen("/tmp/text", "w");
  bench_check(file != NULL, "/tmp/text");
  while (written < bytes) {
    uint64_t r = bench_random(&random);
    int length = fprintf(file, "%s%s%s %s%s %d %x\n", syllables[r & 7], syllables[r >> 3 & 7], syllables[r >> 6 & 7],
                         syllables[r >> 9 & 7], syllables[r >> 12 & 7], (int)(r >> 16 & 0xffff), (uint32_t)(r >> 32));
    bench_check(length > 0, "/tmp/text");
    written += (uint64_t)length;
  }
  bench_check(fclose(file) == 0, "/tmp/text");
  return bench_finish(written);
}
