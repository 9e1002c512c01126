/* matmul_int N: N products of 96 x 96 matrices of 32-bit integers. */
#include "bench.h"

enum { SIDE = 96 };
static uint32_t a[SIDE][SIDE], b[SIDE][SIDE], c[SIDE][SIDE];

static NOINLINE void multiply(void) {
  for (int i = 0; i < SIDE; i++) {
    for (int j = 0; j < SIDE; j++) {
      uint32_t sum = 0;
      for (int k = 0; k < SIDE; k++) sum += a[i][k] * b[k][j];
      c[i][j] = sum;
    }
  }
}

int main(int argc, char **argv) {
  uint64_t rounds = bench_argument(argc, argv, 1), random = 2, hash = 0;
  for (int i = 0; i < SIDE; i++) {
    for (int j = 0; j < SIDE; j++) {
      a[i][j] = (uint32_t)bench_random(&random);
      b[i][j] = (uint32_t)bench_random(&random);
    }
  }
  for (uint64_t round = 0; round < rounds; round++) {
    multiply();
    for (int i = 0; i < SIDE; i++) {
      hash = bench_mix(hash, c[i][(i * 7) % SIDE]);
      a[i][i] ^= c[i][i];
    }
  }
  return bench_finish(hash);
}
