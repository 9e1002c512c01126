/* spin N [T]: T threads (2 unless given) that take one spin lock N thousand times each and count under it. */
#include "bench.h"
#include <pthread.h>

enum { MAX_THREADS = 16 };

static struct {
  _Alignas(64) uint32_t lock;
  _Alignas(64) uint64_t count;
  uint64_t sum;
} shared;

static void *count(void *times) {
  for (uint64_t i = 0; i < *(uint64_t *)times; i++) {
    while (__atomic_exchange_n(&shared.lock, 1, __ATOMIC_ACQUIRE)) {
      while (__atomic_load_n(&shared.lock, __ATOMIC_RELAXED)) continue;
    }
    shared.count++;
    shared.sum += shared.count;
    __atomic_store_n(&shared.lock, 0, __ATOMIC_RELEASE);
    for (volatile int outside = 0; outside < 20; outside++) continue;
  }
  return NULL;
}

int main(int argc, char **argv) {
  uint64_t times = bench_argument(argc, argv, 1) * 1000;
  uint64_t threads = argc > 2 ? bench_argument(argc, argv, 2) : 2;
  pthread_t others[MAX_THREADS];
  bench_check(threads <= MAX_THREADS, "at most 16 threads");
  for (uint64_t i = 1; i < threads; i++) {
    bench_check(pthread_create(&others[i], NULL, count, &times) == 0, "pthread_create");
  }
  count(&times);
  for (uint64_t i = 1; i < threads; i++) pthread_join(others[i], NULL);
  return bench_finish(bench_mix(shared.count, shared.sum));
}
