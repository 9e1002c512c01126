/* hashtable N: N thousand insertions, look-ups and removals of text keys in a chained table of 16,384 heads. */
#include "bench.h"
#include <string.h>

enum { HEADS = 1 << 14, ENTRIES = 1 << 15, KEY_BYTES = 16 };

struct entry {
  struct entry *next;
  char key[KEY_BYTES];
  uint64_t value;
};

static struct entry *heads[HEADS], entries[ENTRIES], *unused;

static uint32_t hash_of(const char *key) {
  uint32_t hash = 5381;
  while (*key) hash = hash * 33 + (uint8_t)*key++;
  return hash & (HEADS - 1);
}

static NOINLINE struct entry **place_of(const char *key) {
  struct entry **place = &heads[hash_of(key)];
  while (*place && strcmp((*place)->key, key) != 0) place = &(*place)->next;
  return place;
}

static void make_key(char *key, uint64_t number) {
  int length = 4 + (int)(number % 9);
  for (int i = 0; i < length; i++, number /= 7) key[i] = (char)('a' + number % 26);
  key[length] = '\0';
}

int main(int argc, char **argv) {
  uint64_t operations = bench_argument(argc, argv, 1) * 1000, random = 8, hash = 0, held = 0;
  for (int i = 0; i < ENTRIES; i++) {
    entries[i].next = unused;
    unused = &entries[i];
  }
  for (uint64_t i = 0; i < operations; i++) {
    char key[KEY_BYTES];
    uint64_t r = bench_random(&random);
    make_key(key, r % 50000 * 7919);
    struct entry **place = place_of(key), *entry = *place;
    if (!entry && unused) {
      entry = unused;
      unused = entry->next;
      entry->next = NULL;
      strcpy(entry->key, key);
      entry->value = r;
      *place = entry;
      held++;
    } else if (entry && (r >> 60) < 6) {
      *place = entry->next;
      entry->next = unused;
      unused = entry;
      held--;
    } else if (entry) {
      hash = bench_mix(hash, entry->value++);
    }
  }
  return bench_finish(bench_mix(hash, held));
}
