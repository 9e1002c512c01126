/*
 * disk N MODE: what the first virtio disk gets done past the page cache. MODE 1 reads and 2 writes N MiB in turn from the
 * start (over and over), 256 KiB at a time; 3 reads and 4 writes N times 100 blocks of 4 KiB at random places.
 * Every 64th block that was written is read again, and what was read goes into the checksum. A fixed order of the modes gives the same on disks that began the same.
 */
#include "bench.h"
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { LARGE_BYTES = 256 << 10, SMALL_BYTES = 4096, SMALL_REQUESTS = 100, READBACK = 64 };

static uint64_t hash_block(uint64_t hash, const uint8_t *block, size_t length) {
  uint64_t words[8];
  memcpy(words, block, sizeof words / 2);
  memcpy(words + 4, block + length - sizeof words / 2, sizeof words / 2);
  for (int i = 0; i < 8; i++) hash = bench_mix(hash, words[i]);
  return hash;
}

/* What a block at OFFSET holds after it was written. */
static void fill(uint8_t *block, size_t length, uint64_t offset) {
  uint64_t state = offset;
  for (size_t i = 0; i < length; i += SMALL_BYTES) {
    uint64_t word = bench_random(&state);
    memset(block + i, (int)(word & 0xff), SMALL_BYTES);
    memcpy(block + i, &word, sizeof word);
  }
}

int main(int argc, char **argv) {
  uint64_t amount = bench_argument(argc, argv, 1), mode = bench_argument(argc, argv, 2), size = 0, hash = 0;
  bench_check(mode <= 4, "the second argument is 1 to 4");
  int writes = mode % 2 == 0, random = mode > 2;
  int disk = open("/dev/vda", (writes ? O_RDWR : O_RDONLY) | O_DIRECT);
  bench_check(disk >= 0 && ioctl(disk, BLKGETSIZE64, &size) == 0, "/dev/vda");
  size_t length = random ? SMALL_BYTES : LARGE_BYTES;
  uint64_t blocks = size / length, requests = random ? amount * SMALL_REQUESTS : amount * ((1 << 20) / LARGE_BYTES);
  uint64_t state = mode, last = 0;
  bench_check(blocks > 0, "the disk is too small");
  uint8_t *block = aligned_alloc(SMALL_BYTES, length);
  for (uint64_t i = 0; i < requests; i++) {
    uint64_t offset = (random ? bench_random(&state) : i) % blocks * length;
    if (writes) {
      fill(block, length, offset + i);
      bench_check(pwrite(disk, block, length, (off_t)offset) == (ssize_t)length, "write");
      last = offset;
      if (i % READBACK != READBACK - 1) continue;
    }
    bench_check(pread(disk, block, length, (off_t)(writes ? last : offset)) == (ssize_t)length, "read");
    hash = hash_block(hash, block, length);
  }
  bench_check(!writes || fsync(disk) == 0, "fsync");
  return bench_finish(bench_mix(hash, requests));
}
