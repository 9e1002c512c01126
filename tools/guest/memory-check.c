/*
 * memory_check MIB THREADS: writes memory all the time, and compares what is there with what was written.
 *
 * Each thread has its part, and goes through its pages in a scattered order. A page holds numbers made of the round,
 * the page and the word, so that a page of another place or of an older round is seen. A line a second says how many
 * rounds each thread has made, and how many words were wrong: "check 3: rounds 120 118 errors 0".
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE_BYTES 4096
#define PAGE_WORDS (PAGE_BYTES / sizeof(uint64_t))
/* One word of each 512 bytes. */
#define STEP_WORDS 64
#define MAX_THREADS 64
/* A prime beyond any number of pages here: steps of it come to every page. */
#define STRIDE 1000003u

struct part {
  pthread_t thread;
  size_t pages;
  volatile uint64_t *words;
  volatile uint64_t rounds;
  volatile uint64_t errors;
};

static struct part parts[MAX_THREADS];

static uint64_t value(uint64_t round, size_t page, size_t word) {
  return (round << 40 | (uint64_t)page << 12 | word) * 0x9e3779b97f4a7c15u;
}

static void fill(struct part *part, size_t page, uint64_t round) {
  for (size_t word = 0; word < PAGE_WORDS; word += STEP_WORDS)
    part->words[page * PAGE_WORDS + word] = value(round, page, word);
}

static void compare(struct part *part, size_t page, uint64_t round) {
  for (size_t word = 0; word < PAGE_WORDS; word += STEP_WORDS) {
    uint64_t seen = part->words[page * PAGE_WORDS + word];
    if (seen == value(round, page, word)) continue;
    if (part->errors++ < 4) printf("check: page %zu word %zu of round %lu holds %lx\n", page, word, round, seen);
  }
}

static void *work(void *argument) {
  struct part *part = argument;
  for (size_t page = 0; page < part->pages; page++) fill(part, page, 0);
  for (uint64_t round = 0;; round++) {
    for (size_t i = 0; i < part->pages; i++) {
      size_t page = (uint64_t)i * STRIDE % part->pages;
      compare(part, page, round);
      fill(part, page, round + 1);
    }
    part->rounds = round + 1;
  }
  return NULL;
}

int main(int count, char **arguments) {
  size_t mib = count == 3 ? strtoul(arguments[1], NULL, 10) : 0;
  size_t threads = count == 3 ? strtoul(arguments[2], NULL, 10) : 0;
  if (mib == 0 || threads == 0 || threads > MAX_THREADS) {
    fprintf(stderr, "usage: memory_check MIB THREADS (at most %d)\n", MAX_THREADS);
    return 2;
  }
  setvbuf(stdout, NULL, _IOLBF, 0);
  for (size_t i = 0; i < threads; i++) {
    struct part *part = &parts[i];
    part->pages = (mib << 20) / PAGE_BYTES / threads;
    part->words = mmap(NULL, part->pages * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (part->words == MAP_FAILED || pthread_create(&part->thread, NULL, work, part) != 0) {
      perror("memory_check");
      return 1;
    }
  }
  for (unsigned seconds = 1;; seconds++) {
    sleep(1);
    uint64_t errors = 0;
    for (size_t i = 0; i < threads; i++) errors += parts[i].errors;
    char text[MAX_THREADS * 21] = "";
    int length = 0;
    for (size_t i = 0; i < threads; i++) length += sprintf(text + length, " %lu", parts[i].rounds);
    printf("check %u: rounds%s errors %lu\n", seconds, text, errors);
  }
}
