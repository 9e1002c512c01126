/*
 * alloc N [T]: T threads (2 unless given) with N thousand calls of malloc and free each, of 16 to 4,000 bytes, 512 blocks
 * held at a time.
 */
#include "bench.h"
#include <pthread.h>

enum { HELD = 512, MAX_THREADS = 16, FIRST_SEED = 10 };

struct job {
  uint64_t calls, seed, hash;
};

static void *allocate(void *argument) {
  struct job *job = argument;
  uint8_t *held[HELD] = {0};
  uint32_t sizes[HELD] = {0};
  uint64_t random = job->seed;
  for (uint64_t i = 0; i < job->calls; i++) {
    uint64_t r = bench_random(&random);
    uint32_t slot = r % HELD, size = 16 << ((r >> 20) % 8);
    if (held[slot]) job->hash = bench_mix(job->hash, held[slot][sizes[slot] - 1] + held[slot][0]);
    free(held[slot]);
    size += (r >> 30) % size % 1952;
    held[slot] = malloc(size);
    bench_check(held[slot] != NULL, "malloc");
    sizes[slot] = size;
    held[slot][0] = (uint8_t)r;
    held[slot][size - 1] = (uint8_t)(r >> 8);
  }
  for (int i = 0; i < HELD; i++) free(held[i]);
  return NULL;
}

int main(int argc, char **argv) {
  uint64_t calls = bench_argument(argc, argv, 1) * 1000, threads = argc > 2 ? bench_argument(argc, argv, 2) : 2;
  struct job jobs[MAX_THREADS];
  pthread_t others[MAX_THREADS];
  bench_check(threads <= MAX_THREADS, "at most 16 threads");
  for (uint64_t i = 0; i < threads; i++) jobs[i] = (struct job){calls, FIRST_SEED + i, 0};
  for (uint64_t i = 1; i < threads; i++) {
    bench_check(pthread_create(&others[i], NULL, allocate, &jobs[i]) == 0, "pthread_create");
  }
  allocate(&jobs[0]);
  uint64_t hash = jobs[0].hash;
  for (uint64_t i = 1; i < threads; i++) {
    pthread_join(others[i], NULL);
    hash = bench_mix(hash, jobs[i].hash);
  }
  return bench_finish(hash);
}
