/*
 * core N [P]: N rounds of list, matrix, text and CRC work in each of P processes (1 unless given).
 * The mix is that of small embedded programs: pointers, short loops, unpredictable branches, few bytes of memory.
 */
#include "bench.h"
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NODES = 96, SIDE = 9, TEXT_BYTES = 384, MAX_PROCESSES = 16 };

struct node {
  struct node *next;
  int16_t key;
  uint16_t rank;
};

/* Polynomial x^16 + x^12 + x^5 + 1, lowest bit first. */
static NOINLINE uint16_t crc16(uint16_t crc, uint32_t value, int bits) {
  for (int i = 0; i < bits; i++) {
    uint16_t feedback = (crc ^ value) & 1;
    crc >>= 1;
    value >>= 1;
    if (feedback) crc ^= 0x8408;
  }
  return crc;
}

static NOINLINE struct node *merge(struct node *a, struct node *b, int by_rank) {
  struct node head, *last = &head;
  while (a && b) {
    int first = by_rank ? a->rank <= b->rank : a->key <= b->key;
    struct node **from = first ? &a : &b;
    last = last->next = *from;
    *from = (*from)->next;
  }
  last->next = a ? a : b;
  return head.next;
}

static NOINLINE struct node *sort(struct node *list, int by_rank) {
  if (!list || !list->next) return list;
  struct node *slow = list, *fast = list->next;
  while (fast && fast->next) {
    slow = slow->next;
    fast = fast->next->next;
  }
  struct node *rest = slow->next;
  slow->next = NULL;
  return merge(sort(list, by_rank), sort(rest, by_rank), by_rank);
}

static NOINLINE struct node *reverse(struct node *list) {
  struct node *done = NULL;
  while (list) {
    struct node *next = list->next;
    list->next = done;
    done = list;
    list = next;
  }
  return done;
}

static NOINLINE const struct node *find(const struct node *list, int16_t key) {
  while (list && list->key != key) list = list->next;
  return list;
}

static uint16_t list_work(struct node *nodes, uint64_t *random, uint16_t crc) {
  for (int i = 0; i < NODES; i++) {
    nodes[i].next = i + 1 < NODES ? &nodes[i + 1] : NULL;
    nodes[i].key = (int16_t)(bench_random(random) & 0xff);
    nodes[i].rank = (uint16_t)i;
  }
  struct node *list = sort(nodes, 0);
  for (int16_t key = 0; key < 32; key++) {
    const struct node *found = find(list, (int16_t)(key * 7));
    crc = crc16(crc, found ? found->rank : 0xffff, 16);
    if (found && (found->key & 1)) list = reverse(list);
  }
  list = sort(list, 1);
  for (const struct node *n = list; n; n = n->next) crc = crc16(crc, (uint16_t)n->key, 8);
  return crc;
}

static NOINLINE void multiply(int32_t *restrict out, const int16_t *restrict a, const int16_t *restrict b) {
  for (int i = 0; i < SIDE; i++) {
    for (int j = 0; j < SIDE; j++) {
      int32_t sum = 0;
      for (int k = 0; k < SIDE; k++) sum += (int32_t)a[i * SIDE + k] * b[k * SIDE + j];
      out[i * SIDE + j] = sum;
    }
  }
}

static uint16_t matrix_work(int16_t *a, int16_t *b, int16_t seed, uint16_t crc) {
  int32_t product[SIDE * SIDE];
  for (int i = 0; i < SIDE * SIDE; i++) {
    a[i] = (int16_t)(a[i] + seed);
    b[i] ^= (int16_t)(seed * i);
  }
  multiply(product, a, b);
  int32_t last = 0;
  int rises = 0;
  for (int i = 0; i < SIDE * SIDE; i++) {
    rises += product[i] > last;
    last = product[i];
    a[i] = (int16_t)((product[i] >> 3) & 0x3ff);
    b[i] = (int16_t)((product[i] >> 9) - b[i]);
  }
  return crc16(crc, (uint32_t)last + (uint32_t)rises, 32);
}

enum state { START, SIGN, DIGITS, POINT, FRACTION, WORD, BAD, STATES };

static enum state next_state(enum state state, char c) {
  int digit = c >= '0' && c <= '9';
  switch (state) {
    case START:
      if (digit) return DIGITS;
      if (c == '-' || c == '+') return SIGN;
      return c == '.' ? POINT : c >= 'a' && c <= 'z' ? WORD : BAD;
    case SIGN:
      return digit ? DIGITS : c == '.' ? POINT : BAD;
    case DIGITS:
      return digit ? DIGITS : c == '.' ? FRACTION : BAD;
    case POINT:
    case FRACTION:
      return digit ? FRACTION : BAD;
    case WORD:
      return digit || (c >= 'a' && c <= 'z') ? WORD : BAD;
    default:
      return BAD;
  }
}

static NOINLINE uint16_t text_work(char *text, uint64_t *random, uint16_t crc) {
  static const char letters[] = "0123456789+-.,abz 57,";
  uint32_t counts[STATES] = {0};
  for (int i = 0; i < 16; i++) {
    uint64_t r = bench_random(random);
    text[r % TEXT_BYTES] = letters[(r >> 32) % (sizeof letters - 1)];
  }
  enum state state = START;
  for (int i = 0; i < TEXT_BYTES; i++) {
    if (text[i] == ',' || text[i] == ' ') {
      counts[state]++;
      state = START;
    } else {
      state = next_state(state, text[i]);
    }
  }
  for (int i = 0; i < STATES; i++) crc = crc16(crc, counts[i], 16);
  return crc;
}

static uint64_t work(uint64_t rounds) {
  static struct node nodes[NODES];
  static int16_t a[SIDE * SIDE], b[SIDE * SIDE];
  static char text[TEXT_BYTES];
  uint64_t random = rounds, hash = 0;
  uint16_t crc = 0xffff;
  for (int i = 0; i < TEXT_BYTES; i++) text[i] = "12,ab3,-4.5,x"[i % 13];
  for (int i = 0; i < SIDE * SIDE; i++) a[i] = b[i] = (int16_t)(i + 1);
  for (uint64_t i = 0; i < rounds; i++) {
    crc = list_work(nodes, &random, crc);
    for (int k = 0; k < 4; k++) crc = matrix_work(a, b, (int16_t)(i + (uint64_t)k), crc);
    for (int k = 0; k < 4; k++) crc = text_work(text, &random, crc);
    hash = bench_mix(hash, crc);
  }
  return hash;
}

int main(int argc, char **argv) {
  uint64_t rounds = bench_argument(argc, argv, 1);
  uint64_t processes = argc > 2 ? bench_argument(argc, argv, 2) : 1;
  bench_check(processes <= MAX_PROCESSES, "at most 16 processes");
  if (processes == 1) return bench_finish(work(rounds));

  int pipes[2];
  bench_check(pipe(pipes) == 0, "pipe");
  for (uint64_t i = 0; i < processes; i++) {
    pid_t child = fork();
    bench_check(child >= 0, "fork");
    if (child == 0) {
      uint64_t result = work(rounds);
      _exit(write(pipes[1], &result, sizeof result) == sizeof result ? 0 : 1);
    }
  }
  uint64_t checksum = 0;
  for (uint64_t i = 0; i < processes; i++) {
    uint64_t result;
    int status;
    bench_check(wait(&status) > 0 && status == 0, "a process failed");
    bench_check(read(pipes[0], &result, sizeof result) == sizeof result, "read");
    bench_check(checksum == 0 || checksum == result, "the processes differ");
    checksum = result;
  }
  return bench_finish(checksum);
}
