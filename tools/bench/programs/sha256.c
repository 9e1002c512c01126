/* sha256 N: SHA-256 of N times 64 KiB. Spec: FIPS 180-4, 5.3.3 and 6.2. */
#include "bench.h"

enum { BYTES = 1 << 16 };

static uint32_t k[64], state[8];

static uint32_t rotate(uint32_t x, int n) {
  return x >> n | x << (32 - n);
}

/* The first 32 bits of the fraction of the ROOT-th root (2 or 3) of N, by whole numbers only. */
static uint32_t fraction_of_root(uint32_t n, int root) {
  unsigned __int128 wanted = (unsigned __int128)n << (32 * root);
  uint64_t low = 0, high = 1ull << 37;
  while (high - low > 1) {
    uint64_t middle = low + (high - low) / 2;
    unsigned __int128 power = (unsigned __int128)middle * middle;
    if (root == 3) power *= middle;
    if (power <= wanted) low = middle;
    else high = middle;
  }
  return (uint32_t)low;
}

static void make_constants(void) {
  for (uint32_t n = 2, found = 0; found < 64; n++) {
    int prime = 1;
    for (uint32_t d = 2; d * d <= n; d++) prime &= n % d != 0;
    if (!prime) continue;
    if (found < 8) state[found] = fraction_of_root(n, 2);
    k[found++] = fraction_of_root(n, 3);
  }
}

static NOINLINE void compress(const uint8_t *block) {
  uint32_t w[64];
  for (int t = 0; t < 16; t++, block += 4) {
    w[t] = (uint32_t)block[0] << 24 | (uint32_t)block[1] << 16 | (uint32_t)block[2] << 8 | block[3];
  }
  for (int t = 16; t < 64; t++) {
    uint32_t x = w[t - 15], y = w[t - 2];
    w[t] = w[t - 16] + (rotate(x, 7) ^ rotate(x, 18) ^ x >> 3) + w[t - 7] + (rotate(y, 17) ^ rotate(y, 19) ^ y >> 10);
  }
  uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
  uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
  for (int t = 0; t < 64; t++) {
    uint32_t t1 = h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + ((e & f) ^ (~e & g)) + k[t] + w[t];
    uint32_t t2 = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
    h = g;
    g = f;
    f = e;
    e = d + t1;
    d = c;
    c = b;
    b = a;
    a = t1 + t2;
  }
  const uint32_t sums[8] = {a, b, c, d, e, f, g, h};
  for (int i = 0; i < 8; i++) state[i] += sums[i];
}

int main(int argc, char **argv) {
  uint64_t rounds = bench_argument(argc, argv, 1), random = 5;
  static uint8_t data[BYTES];
  make_constants();
  for (int i = 0; i < BYTES; i++) data[i] = (uint8_t)bench_random(&random);
  for (uint64_t round = 0; round < rounds; round++) {
    for (int i = 0; i < BYTES; i += 64) compress(&data[i]);
  }
  uint64_t bits = rounds * BYTES * 8;
  uint8_t last[64] = {0x80};
  for (int i = 0; i < 8; i++) last[56 + i] = (uint8_t)(bits >> (56 - 8 * i));
  compress(last);
  return bench_finish((uint64_t)state[0] << 32 | state[1]);
}
