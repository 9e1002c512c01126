/* console N: N KiB of text to the serial port; ends when the last byte has left. */
#include "bench.h"
#include <fcntl.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

enum { LINE_BYTES = 64, LINES = 16 };

int main(int argc, char **argv) {
  uint64_t kib = bench_argument(argc, argv, 1), bytes = 0;
  char lines[LINES * LINE_BYTES];
  int port = open("/dev/ttyS0", O_WRONLY | O_NOCTTY);
  bench_check(port >= 0, "/dev/ttyS0");
  for (int i = 0; i < LINES; i++) {
    memset(lines + i * LINE_BYTES, 'a' + i, LINE_BYTES - 1);
    lines[(i + 1) * LINE_BYTES - 1] = '\n';
  }
  for (uint64_t i = 0; i < kib; i++) {
    for (size_t done = 0; done < sizeof lines;) {
      ssize_t wrote = write(port, lines + done, sizeof lines - done);
      bench_check(wrote > 0, "write");
      done += (size_t)wrote;
      bytes += (uint64_t)wrote;
    }
  }
  bench_check(tcdrain(port) == 0, "tcdrain");
  return bench_finish(bytes);
}
