/*
 * Executes RISC-V floating-point instructions on cases from stdin and writes results and flags to stdout. Built for
 * riscv64 and run under qemu-riscv64, it is the oracle for src/cpu/softfloat.
 *
 * In, 32 bytes: op, format, rounding mode (a byte each), 5 unused, then a, b, c (u64 each, raw bits, not NaN-boxed).
 * Out, 16 bytes: result bits (u64, not NaN-boxed), flags (u64; UNANSWERED where there is nothing to execute).
 * The numbers of ops and formats come from dispatch.ts through -DOP_add=0 and so on.
 *
 * QEMU 7.2 lacks Zfa; those rows are composed here from base instructions and integer logic, by their definitions.
 */
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#define UNANSWERED 0xff
#define BATCH 4096

struct request { uint8_t op, format, rounding, unused[5]; uint64_t a, b, c; };
struct answer { uint64_t bits, flags; };

/* One instruction sequence with the rounding mode set before it and the flags of only this sequence read after it. */
#define RUN(BODY)                                                                                        \
  asm volatile("fsrm %[rm]\n\tfsflags zero\n\t" BODY "\n\tfrflags %[flags]"                              \
               : [r] "=&r"(r), [flags] "=&r"(flags)                                                      \
               : [rm] "r"(rm), [a] "r"(a), [b] "r"(b), [c] "r"(c)                                        \
               : "ft0", "ft1", "ft2")

#define LOAD(M) "fmv." M ".x ft0, %[a]\n\tfmv." M ".x ft1, %[b]\n\tfmv." M ".x ft2, %[c]\n\t"
#define TO_FLOAT(M, INSN) RUN(LOAD(M) INSN "\n\tfmv.x." M " %[r], ft0")
#define TO_X(M, INSN) RUN(LOAD(M) INSN)
#define FROM_X(M, INSN) RUN(INSN " ft0, %[a]\n\tfmv.x." M " %[r], ft0")

static uint64_t result_mask(int op, uint64_t own) {
  if (op == OP_to_f16) return 0xffff;
  if (op == OP_to_f32) return 0xffffffff;
  if (op == OP_to_f64) return ~0ull;
  return own;
}

/* M is the format's letter in fmv, S everywhere else. */
#define DEFINE_RUN(NAME, M, S, WIDTH, FRACTION_BITS, TO_F16, TO_F32, TO_F64)                             \
  static struct answer run_##NAME(int op, uint64_t rm, uint64_t a, uint64_t b, uint64_t c) {             \
    const uint64_t mask = ~0ull >> (64 - WIDTH);                                                         \
    const uint64_t sign = 1ull << (WIDTH - 1);                                                           \
    const uint64_t quiet = 1ull << (FRACTION_BITS - 1);                                                  \
    const uint64_t infinity = (mask >> 1) & ~((1ull << FRACTION_BITS) - 1);                              \
    const uint64_t nan = infinity | quiet;                                                               \
    const int a_is_nan = (a & ~sign) > infinity, b_is_nan = (b & ~sign) > infinity;                      \
    const int signalling = (a_is_nan && !(a & quiet)) || (b_is_nan && !(b & quiet));                     \
    uint64_t r = 0, flags = UNANSWERED;                                                                  \
    switch (op) {                                                                                        \
      case OP_add: TO_FLOAT(M, "fadd." S " ft0, ft0, ft1"); break;                                       \
      case OP_sub: TO_FLOAT(M, "fsub." S " ft0, ft0, ft1"); break;                                       \
      case OP_mul: TO_FLOAT(M, "fmul." S " ft0, ft0, ft1"); break;                                       \
      case OP_div: TO_FLOAT(M, "fdiv." S " ft0, ft0, ft1"); break;                                       \
      case OP_sqrt: TO_FLOAT(M, "fsqrt." S " ft0, ft0"); break;                                          \
      case OP_fmadd: TO_FLOAT(M, "fmadd." S " ft0, ft0, ft1, ft2"); break;                               \
      case OP_fmsub: TO_FLOAT(M, "fmsub." S " ft0, ft0, ft1, ft2"); break;                               \
      case OP_fnmsub: TO_FLOAT(M, "fnmsub." S " ft0, ft0, ft1, ft2"); break;                             \
      case OP_fnmadd: TO_FLOAT(M, "fnmadd." S " ft0, ft0, ft1, ft2"); break;                             \
      case OP_min: TO_FLOAT(M, "fmin." S " ft0, ft0, ft1"); break;                                       \
      case OP_max: TO_FLOAT(M, "fmax." S " ft0, ft0, ft1"); break;                                       \
      case OP_eq: TO_X(M, "feq." S " %[r], ft0, ft1"); return (struct answer){r, flags};                 \
      case OP_lt: TO_X(M, "flt." S " %[r], ft0, ft1"); return (struct answer){r, flags};                 \
      case OP_le: TO_X(M, "fle." S " %[r], ft0, ft1"); return (struct answer){r, flags};                 \
      case OP_class: TO_X(M, "fclass." S " %[r], ft0"); return (struct answer){r, flags};                \
      case OP_cvt_i32: TO_X(M, "fcvt.w." S " %[r], ft0"); return (struct answer){r, flags};              \
      case OP_cvt_u32: TO_X(M, "fcvt.wu." S " %[r], ft0"); return (struct answer){r, flags};             \
      case OP_cvt_i64: TO_X(M, "fcvt.l." S " %[r], ft0"); return (struct answer){r, flags};              \
      case OP_cvt_u64: TO_X(M, "fcvt.lu." S " %[r], ft0"); return (struct answer){r, flags};             \
      case OP_from_i32: FROM_X(M, "fcvt." S ".w"); break;                                                \
      case OP_from_u32: FROM_X(M, "fcvt." S ".wu"); break;                                               \
      case OP_from_i64: FROM_X(M, "fcvt." S ".l"); break;                                                \
      case OP_from_u64: FROM_X(M, "fcvt." S ".lu"); break;                                               \
      case OP_to_f16: TO_F16; break;                                                                     \
      case OP_to_f32: TO_F32; break;                                                                     \
      case OP_to_f64: TO_F64; break;                                                                     \
      case OP_minm:                                                                                      \
        if (a_is_nan || b_is_nan) return (struct answer){nan, signalling ? 16 : 0};                      \
        TO_FLOAT(M, "fmin." S " ft0, ft0, ft1");                                                         \
        break;                                                                                           \
      case OP_maxm:                                                                                      \
        if (a_is_nan || b_is_nan) return (struct answer){nan, signalling ? 16 : 0};                      \
        TO_FLOAT(M, "fmax." S " ft0, ft0, ft1");                                                         \
        break;                                                                                           \
      case OP_ltq:                                                                                       \
        if (a_is_nan || b_is_nan) return (struct answer){0, signalling ? 16 : 0};                        \
        TO_X(M, "flt." S " %[r], ft0, ft1");                                                             \
        return (struct answer){r, flags};                                                                \
      case OP_leq:                                                                                       \
        if (a_is_nan || b_is_nan) return (struct answer){0, signalling ? 16 : 0};                        \
        TO_X(M, "fle." S " %[r], ft0, ft1");                                                             \
        return (struct answer){r, flags};                                                                \
      case OP_round:                                                                                     \
      case OP_roundnx: {                                                                                 \
        /* From 2^FRACTION_BITS on every value is integral; below, the way through i64 is exact. */      \
        const uint64_t bias = (infinity >> FRACTION_BITS) >> 1;                                          \
        if (a_is_nan) return (struct answer){nan, (a & quiet) ? 0 : 16};                                 \
        if ((a & ~sign) >= (bias + FRACTION_BITS) << FRACTION_BITS) return (struct answer){a, 0};        \
        TO_X(M, "fcvt.l." S " %[r], ft0");                                                               \
        const uint64_t kept_flags = op == OP_roundnx ? flags : 0, a_sign = a & sign;                     \
        a = r;                                                                                           \
        FROM_X(M, "fcvt." S ".l");                                                                       \
        return (struct answer){(r & mask & ~sign) | a_sign, kept_flags | (flags & ~1ull)};               \
      }                                                                                                  \
      default: break;                                                                                    \
    }                                                                                                    \
    return (struct answer){r & result_mask(op, mask), flags};                                            \
  }

#define CONVERT(FROM, TO, INSN) RUN("fmv." FROM ".x ft0, %[a]\n\t" INSN " ft0, ft0\n\tfmv.x." TO " %[r], ft0")
#define NO_CONVERSION (void)0

DEFINE_RUN(f16, "h", "h", 16, 10, NO_CONVERSION, CONVERT("h", "w", "fcvt.s.h"), CONVERT("h", "d", "fcvt.d.h"))
DEFINE_RUN(f32, "w", "s", 32, 23, CONVERT("w", "h", "fcvt.h.s"), NO_CONVERSION, CONVERT("w", "d", "fcvt.d.s"))
DEFINE_RUN(f64, "d", "d", 64, 52, CONVERT("d", "h", "fcvt.h.d"), CONVERT("d", "w", "fcvt.s.d"), NO_CONVERSION)

/* Zfa: the low 32 bits of the truncated value; flags as fcvt.w.d. */
static struct answer run_cvtmod(uint64_t a) {
  const uint64_t rm = 1, b = 0, c = 0;
  uint64_t r, flags;
  TO_X("d", "fcvt.w.d %[r], ft0");
  const int exponent = (a >> 52) & 0x7ff, shift = exponent - 1075;
  const uint64_t significand = (a & 0xfffffffffffffull) | (exponent ? 1ull << 52 : 0);
  uint64_t magnitude = 0;
  if (exponent != 0x7ff && shift < 32 && shift > -53) {
    magnitude = shift >= 0 ? significand << shift : significand >> -shift;
  }
  const uint32_t low = (a >> 63) ? -(uint32_t)magnitude : (uint32_t)magnitude;
  return (struct answer){(uint64_t)(int64_t)(int32_t)low, flags};
}

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
      struct answer *out = &answers[i];
      *out = (struct answer){0, UNANSWERED};
      if (q->op == OP_cvtmod_w) {
        if (q->format == FORMAT_f64) *out = run_cvtmod(q->a);
      } else if (q->format == FORMAT_f16) {
        *out = run_f16(q->op, q->rounding, q->a, q->b, q->c);
      } else if (q->format == FORMAT_f32) {
        *out = run_f32(q->op, q->rounding, q->a, q->b, q->c);
      } else if (q->format == FORMAT_f64) {
        *out = run_f64(q->op, q->rounding, q->a, q->b, q->c);
      }
    }
    if (fwrite(answers, sizeof answers[0], count, stdout) != count) return 1;
    if (fflush(stdout) != 0) return 1;
  }
  return 0;
}
