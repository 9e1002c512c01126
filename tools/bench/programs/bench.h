/*
 * What every program of the benchmark shares: its amount of work comes as the first argument, a checksum of all that it
 * computed goes to stdout as one line, and an error ends it with status 1.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define NOINLINE __attribute__((noinline))

/* The INDEX-th argument, a positive number; anything else ends the program. */
static inline uint64_t bench_argument(int argc, char **argv, int index) {
  char *end = NULL;
  uint64_t value = index < argc ? strtoull(argv[index], &end, 10) : 0;
  if (value == 0 || *end != '\0') {
    fprintf(stderr, "%s: argument %d is a positive number\n", argv[0], index);
    exit(1);
  }
  return value;
}

static inline void bench_check(int holds, const char *what) {
  if (holds) return;
  perror(what);
  exit(1);
}

/* splitmix64: the next number of a sequence. */
static inline uint64_t bench_random(uint64_t *state) {
  uint64_t z = (*state += 0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

/* FNV-1a over 64-bit words: the hash with VALUE added. */
static inline uint64_t bench_mix(uint64_t hash, uint64_t value) {
  return (hash ^ value) * 0x100000001b3;
}

static inline int bench_finish(uint64_t checksum) {
  printf("%016llx\n", (unsigned long long)checksum);
  return 0;
}

#endif
