/*
 * The second oracle: the same cases (see oracle.c for the records) on the floating-point unit of an x86-64 host with
 * FMA, for what it can answer: f32 and f64, four rounding modes, arithmetic, conversions between the two formats,
 * from signed integers, and rounding to integral. Like RISC-V, SSE detects tininess after rounding.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define UNANSWERED 0xff
#define BATCH 4096

struct request { uint8_t op, format, rounding, unused[5]; uint64_t a, b, c; };
struct answer { uint64_t bits, flags; };

/* MXCSR for frm 0 to 3, all exceptions masked. SSE has no nearest with ties away. */
static const uint32_t CONTROL[4] = {0x1f80, 0x7f80, 0x3f80, 0x5f80};

static uint64_t riscv_flags(uint32_t mxcsr) {
  return ((mxcsr >> 5) & 1) | ((mxcsr >> 4) & 1) << 1 | ((mxcsr >> 3) & 1) << 2 | ((mxcsr >> 2) & 1) << 3 |
         (mxcsr & 1) << 4;
}

#define RUN(BODY)                                                 \
  asm volatile("ldmxcsr %[in]\n\t" BODY "\n\tstmxcsr %[out]"      \
               : [r] "+x"(r), [out] "=m"(out)                     \
               : [in] "m"(in), [y] "x"(y), [z] "x"(z), [n] "r"(n))

#define DEFINE_RUN(NAME, TYPE, BITS, OTHER, OTHER_BITS, S, CONVERT, OP_TO_OTHER, INFINITY_BITS, NAN_BITS, OTHER_NAN)      \
  static struct answer run_##NAME(int op, uint32_t in, BITS a, BITS b, BITS c, uint64_t n) {                              \
    const BITS sign = (BITS)1 << (8 * sizeof(BITS) - 1);                                                                  \
    const BITS x_abs = a & ~sign, y_abs = b & ~sign, z_abs = c & ~sign;                                                   \
    const int infinity_times_zero =                                                                                       \
        (x_abs == INFINITY_BITS && y_abs == 0) || (x_abs == 0 && y_abs == INFINITY_BITS);                                 \
    TYPE r, y, z;                                                                                                         \
    uint32_t out;                                                                                                         \
    memcpy(&r, &a, sizeof r);                                                                                             \
    memcpy(&y, &b, sizeof y);                                                                                             \
    memcpy(&z, &c, sizeof z);                                                                                             \
    switch (op) {                                                                                                         \
      case OP_add: RUN("vadd" S " %[y], %[r], %[r]"); break;                                                              \
      case OP_sub: RUN("vsub" S " %[y], %[r], %[r]"); break;                                                              \
      case OP_mul: RUN("vmul" S " %[y], %[r], %[r]"); break;                                                              \
      case OP_div: RUN("vdiv" S " %[y], %[r], %[r]"); break;                                                              \
      case OP_sqrt: RUN("vsqrt" S " %[r], %[r], %[r]"); break;                                                            \
      case OP_fmadd:                                                                                                      \
      case OP_fmsub:                                                                                                      \
      case OP_fnmsub:                                                                                                     \
      case OP_fnmadd:                                                                                                     \
        /* x86 does not raise invalid for infinity * 0 + quiet NaN; RISC-V does. */                                       \
        if (infinity_times_zero && z_abs > INFINITY_BITS) return (struct answer){0, UNANSWERED};                          \
        if (op == OP_fmadd) RUN("vfmadd213" S " %[z], %[y], %[r]");                                                       \
        if (op == OP_fmsub) RUN("vfmsub213" S " %[z], %[y], %[r]");                                                       \
        if (op == OP_fnmsub) RUN("vfnmadd213" S " %[z], %[y], %[r]");                                                     \
        if (op == OP_fnmadd) RUN("vfnmsub213" S " %[z], %[y], %[r]");                                                     \
        break;                                                                                                            \
      case OP_round: RUN("vround" S " $12, %[r], %[r], %[r]"); break;                                                     \
      case OP_roundnx: RUN("vround" S " $4, %[r], %[r], %[r]"); break;                                                    \
      case OP_from_i32: RUN("vcvtsi2" S "l %k[n], %[r], %[r]"); break;                                                    \
      case OP_from_i64: RUN("vcvtsi2" S "q %[n], %[r], %[r]"); break;                                                     \
      case OP_TO_OTHER: {                                                                                                 \
        RUN(CONVERT " %[r], %[r], %[r]");                                                                                 \
        OTHER_BITS wide;                                                                                                  \
        OTHER converted;                                                                                                  \
        asm("" : "=x"(converted) : "0"(r));                                                                               \
        memcpy(&wide, &converted, sizeof wide);                                                                           \
        if (converted != converted) wide = OTHER_NAN;                                                                     \
        return (struct answer){wide, riscv_flags(out)};                                                                   \
      }                                                                                                                   \
      default: return (struct answer){0, UNANSWERED};                                                                     \
    }                                                                                                                     \
    BITS bits;                                                                                                            \
    memcpy(&bits, &r, sizeof bits);                                                                                       \
    if (r != r) bits = NAN_BITS;                                                                                          \
    return (struct answer){bits, riscv_flags(out)};                                                                       \
  }

#define INFINITY_32 0x7f800000u
#define INFINITY_64 0x7ff0000000000000ull
#define NAN_32 0x7fc00000u
#define NAN_64 0x7ff8000000000000ull

DEFINE_RUN(f32, float, uint32_t, double, uint64_t, "ss", "vcvtss2sd", OP_to_f64, INFINITY_32, NAN_32, NAN_64)
DEFINE_RUN(f64, double, uint64_t, float, uint32_t, "sd", "vcvtsd2ss", OP_to_f32, INFINITY_64, NAN_64, NAN_32)

/* What the pipe has now, up to a batch, in whole records; 0 at the end. fread would wait for a full batch. */
static size_t read_requests(struct request *requests) {
  char *bytes = (char *)requests;
  size_t length = 0;
  do {
    const ssize_t got = read(0, bytes + length, BATCH * sizeof requests[0] - length);
    if (got <= 0) break;
    length += got;
  } while (length % sizeof requests[0] != 0);
  return length / sizeof requests[0];
}

int main(void) {
  static struct request requests[BATCH];
  static struct answer answers[BATCH];
  size_t count;
  while ((count = read_requests(requests)) > 0) {
    for (size_t i = 0; i < count; i++) {
      const struct request *q = &requests[i];
      answers[i] = (struct answer){0, UNANSWERED};
      if (q->rounding > 3) continue;
      const uint32_t control = CONTROL[q->rounding];
      if (q->format == FORMAT_f32) answers[i] = run_f32(q->op, control, q->a, q->b, q->c, q->a);
      if (q->format == FORMAT_f64) answers[i] = run_f64(q->op, control, q->a, q->b, q->c, q->a);
    }
    if (fwrite(answers, sizeof answers[0], count, stdout) != count) return 1;
    if (fflush(stdout) != 0) return 1;
  }
  return 0;
}
