/*
 * interp N: a stack machine, interpreted by a switch, that runs N times a program of its own:
 * the lengths of the Collatz sequences of 1 to 300.
 */
#include "bench.h"

enum { PUSH, LOAD, STORE, ADD, MUL, SHR, AND, EQ, JUMP, JUMP_IF_ZERO, HALT };

/* Variables: 0 = start, 1 = value, 2 = length so far, 3 = hash. */
static const int16_t program[] = {
    PUSH, 1, STORE, 0,                                                   /*  0: start = 1 */
    LOAD, 0, STORE, 1, PUSH, 0, STORE, 2,                                /*  4: value = start, length = 0 */
    LOAD, 1, PUSH, 1, EQ, JUMP_IF_ZERO, 37,                              /* 12: value = 1? */
    LOAD, 3, PUSH, 31, MUL, LOAD, 2, ADD, STORE, 3,                      /* 19: hash = hash * 31 + length */
    LOAD, 0, PUSH, 300, EQ, JUMP_IF_ZERO, 64, HALT,                      /* 29: start = 300? */
    LOAD, 2, PUSH, 1, ADD, STORE, 2,                                     /* 37: length++ */
    LOAD, 1, PUSH, 1, AND, JUMP_IF_ZERO, 73,                             /* 44: value odd? */
    LOAD, 1, PUSH, 3, MUL, PUSH, 1, ADD, STORE, 1, JUMP, 12,             /* 51: value = value * 3 + 1 */
    HALT,                                                                /* 63 */
    LOAD, 0, PUSH, 1, ADD, STORE, 0, JUMP, 4,                            /* 64: start++ */
    LOAD, 1, PUSH, 1, SHR, STORE, 1, JUMP, 12,                           /* 73: value /= 2 */
};

static NOINLINE int64_t interpret(const int16_t *code, int64_t hash) {
  int64_t stack[16], variables[4] = {0, 0, 0, hash};
  int64_t *top = stack;
  const int16_t *pc = code;
  for (;;) {
    switch (*pc++) {
      case PUSH: *top++ = *pc++; break;
      case LOAD: *top++ = variables[*pc++]; break;
      case STORE: variables[*pc++] = *--top; break;
      case ADD: top--; top[-1] = (int64_t)((uint64_t)top[-1] + (uint64_t)top[0]); break;
      case MUL: top--; top[-1] = (int64_t)((uint64_t)top[-1] * (uint64_t)top[0]); break;
      case SHR: top--; top[-1] >>= top[0]; break;
      case AND: top--; top[-1] &= top[0]; break;
      case EQ: top--; top[-1] = top[-1] == top[0]; break;
      case JUMP: pc = code + *pc; break;
      case JUMP_IF_ZERO: pc = *--top ? pc + 1 : code + *pc; break;
      default: return variables[3];
    }
  }
}

int main(int argc, char **argv) {
  uint64_t rounds = bench_argument(argc, argv, 1), hash = 0;
  for (uint64_t round = 0; round < rounds; round++) hash = (uint64_t)interpret(program, (int64_t)hash);
  return bench_finish(hash);
}
