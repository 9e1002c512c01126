/* bytes N: N times five loops over the bytes of 64 KiB: count, translate, reverse, shift along, compare. */
#include "bench.h"

enum { BYTES = 1 << 16 };
static uint8_t data[BYTES], copy[BYTES], table[256];
static uint32_t counts[256];

static NOINLINE void count(void) {
  for (int i = 0; i < BYTES; i++) counts[data[i]]++;
}

static NOINLINE void translate(void) {
  for (int i = 0; i < BYTES; i++) copy[i] = table[data[i]];
}

static NOINLINE void reverse(void) {
  for (int i = 0, k = BYTES - 1; i < k; i++, k--) {
    uint8_t byte = copy[i];
    copy[i] = copy[k];
    copy[k] = byte;
  }
}

static NOINLINE void shift(void) {
  uint8_t carry = copy[BYTES - 1];
  for (int i = 0; i < BYTES; i++) {
    uint8_t byte = copy[i];
    copy[i] = (uint8_t)(byte ^ carry);
    carry = byte;
  }
}

static NOINLINE uint32_t compare(void) {
  uint32_t larger = 0;
  for (int i = 0; i < BYTES; i++) {
    if (copy[i] > data[i]) larger++;
  }
  return larger;
}

int main(int argc, char **argv) {
  uint64_t rounds = bench_argument(argc, argv, 1), random = 4, hash = 0;
  for (int i = 0; i < BYTES; i++) data[i] = (uint8_t)bench_random(&random);
  for (int i = 0; i < 256; i++) table[i] = (uint8_t)(i * 167 + 13);
  for (uint64_t round = 0; round < rounds; round++) {
    count();
    translate();
    reverse();
    shift();
    hash = bench_mix(hash, compare());
    hash = bench_mix(hash, counts[round & 255]);
    data[round % BYTES] ^= copy[(round * 31) % BYTES];
  }
  return bench_finish(hash);
}
