/* matmul_double N: N products of 96 x 96 matrices of doubles. */
#include "bench.h"
#include <string.h>

enum { SIDE = 96 };
static double a[SIDE][SIDE], b[SIDE][SIDE], c[SIDE][SIDE];

static NOINLINE void multiply(void) {
  for (int i = 0; i < SIDE; i++) {
    for (int j = 0; j < SIDE; j++) {
      double sum = 0;
      for (int k = 0; k < SIDE; k++) sum += a[i][k] * b[k][j];
      c[i][j] = sum;
    }
  }
}

static double unit(uint64_t *random) {
  return (double)(bench_random(random) >> 11) / (double)(1ull << 53);
}

int main(int argc, char **argv) {
  uint64_t rounds = bench_argument(argc, argv, 1), random = 3, hash = 0;
  for (int i = 0; i < SIDE; i++) {
    for (int j = 0; j < SIDE; j++) {
      a[i][j] = unit(&random);
      b[i][j] = unit(&random);
    }
  }
  for (uint64_t round = 0; round < rounds; round++) {
    multiply();
    for (int i = 0; i < SIDE; i++) {
      uint64_t bits;
      memcpy(&bits, &c[i][(i * 7) % SIDE], sizeof bits);
      hash = bench_mix(hash, bits);
      a[i][i] = c[i][i] / SIDE;
    }
  }
  return bench_finish(hash);
}
