/* qsort N: N times the C library's qsort over 20,000 records, by two keys in turn; each comparison is an indirect call. */
#include "bench.h"
#include <string.h>

enum { RECORDS = 20000 };

struct record {
  uint32_t key;
  char name[8];
  uint32_t serial;
};

static int by_key(const void *a, const void *b) {
  const struct record *x = a, *y = b;
  if (x->key != y->key) return x->key < y->key ? -1 : 1;
  return x->serial < y->serial ? -1 : x->serial > y->serial;
}

static int by_name(const void *a, const void *b) {
  const struct record *x = a, *y = b;
  int order = memcmp(x->name, y->name, sizeof x->name);
  return order != 0 ? order : by_key(a, b);
}

int main(int argc, char **argv) {
  uint64_t rounds = bench_argument(argc, argv, 1), random = 6, hash = 0;
  static struct record records[RECORDS];
  for (uint64_t round = 0; round < rounds; round++) {
    for (uint32_t i = 0; i < RECORDS; i++) {
      uint64_t r = bench_random(&random);
      records[i].key = (uint32_t)(r & 0xffff);
      records[i].serial = i;
      for (int c = 0; c < 8; c++) records[i].name[c] = (char)('a' + (r >> (16 + 3 * c)) % 4);
    }
    qsort(records, RECORDS, sizeof records[0], round & 1 ? by_name : by_key);
    for (uint32_t i = 0; i < RECORDS; i += 97) hash = bench_mix(hash, records[i].serial);
  }
  return bench_finish(hash);
}
