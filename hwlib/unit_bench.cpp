// Compares one unit with an oracle over random and directed vectors, or over all of them.
// The unit comes from "unit.h" (made by verify.py): `uint64_t unit(a, b, c)` in software, or a Verilated pipeline behind
// `void unit_put(a, b, c)` / `uint64_t unit_get()` with UNIT_LATENCY. Macros: E and S (exponent and significand bits of the
// operands), TE and TS (of the result), OPERATION, FLUSH, OPERANDS, WIDTH (of integer operands or results).
// Oracles: f32 and f64 use the host's SSE arithmetic, under FTZ|DAZ when FLUSH; narrower formats compute in double, whose
// 53 bits make the second rounding innocuous for +, -, *, /, sqrt, and round once by `encode`.
#include <cfenv>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>
#include <xmmintrin.h>

enum Operation { ADD, SUB, MUL, DIV, SQRT, FMA, COMPARE, MAXIMUM, MINIMUM, MAXNUM, MINNUM, FROM_SIGNED, FROM_UNSIGNED,
                 TO_SIGNED, TO_UNSIGNED, CONVERT, FLOOR, CEIL, TRUNC, ROUND, ROUNDEVEN, NEG, ABS, RECIPROCAL, REMAINDER };
#include "unit.h"

static const int F = S - 1, BIAS = (1 << (E - 1)) - 1, N = E + S;
static const uint64_t EXPONENT = (1ull << E) - 1, FRACTION = (1ull << F) - 1, SIGN = 1ull << (N - 1);
static const uint64_t INFINITY_BITS = EXPONENT << F;

static uint64_t state = 0x9E3779B97F4A7C15ull;
static inline uint64_t rnd() {  // splitmix64
  uint64_t z = (state += 0x9E3779B97F4A7C15ull);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
  return z ^ (z >> 31);
}

// The encoding of infinity, or of the NaN that stands for it where a format is finite.
static inline uint64_t infinity_of(int e, int s, bool finite) {
  return finite ? (1ull << (e + s - 1)) - 1 : ((1ull << e) - 1) << (s - 1);
}

static inline bool is_nan(uint64_t x, int e, int s, bool finite) {
  return (x & ((1ull << (e + s - 1)) - 1)) + finite > infinity_of(e, s, finite);
}

// The value of an encoding; exact in double for every format up to f64.
static double decode(uint64_t x, int e, int s, bool daz, bool finite = FINITE) {
  int f = s - 1, bias = (1 << (e - 1)) - 1;
  uint64_t fraction = x & ((1ull << f) - 1), field = x >> f & ((1ull << e) - 1);
  bool negative = x >> (e + f) & 1;
  double v;
  if ((x & ((1ull << (e + f)) - 1)) >= infinity_of(e, s, finite)) v = fraction ? NAN : INFINITY;
  else if (field == 0) v = daz ? 0.0 : std::ldexp((double)fraction, 1 - bias - f);
  else v = std::ldexp((double)(fraction | 1ull << f), (int)field - bias - f);
  return negative ? -v : v;
}

// Round to nearest even into a narrow format; ftz: zero where the result, rounded as if exponents had no end, is below the normals.
static uint64_t encode(double v, int e, int s, bool ftz, bool finite = TFINITE) {
  int f = s - 1, bias = (1 << (e - 1)) - 1;
  uint64_t sign = (uint64_t)std::signbit(v) << (e + f), infinity = infinity_of(e, s, finite);
  if (v != v) return infinity | 1ull << (f - 1);
  v = std::fabs(v);
  if (v == 0) return sign;
  if (std::isinf(v)) return sign | infinity;
  int x;
  std::frexp(v, &x);
  double r = std::ldexp(std::nearbyint(std::ldexp(v, s - x)), x - s);
  if (std::isinf(r)) return sign | infinity;
  if (r < std::ldexp(1.0, 1 - bias)) {
    if (ftz) return sign;
    int lowest = 1 - bias - f;
    return sign | (uint64_t)std::nearbyint(std::ldexp(v, -lowest));
  }
  std::frexp(r, &x);
  if (x - 1 > bias + finite) return sign | infinity;
  uint64_t magnitude = ((uint64_t)(x - 1 + bias) << f) + ((uint64_t)std::ldexp(r, s - x) - (1ull << f));
  return sign | (magnitude > infinity ? infinity : magnitude);
}

template <class T, class U> static inline T cast_bits(U u) { T t; static_assert(sizeof(T) == sizeof(U), ""); std::memcpy(&t, &u, sizeof t); return t; }

// The host's own arithmetic. volatile keeps the compiler from folding it away from the current MXCSR.
template <class T> static T host(T a, T b, T c) {
  volatile T x = a, y = b, z = c, r = 0;
  switch (OPERATION) {
    case ADD: r = x + y; break;
    case SUB: r = x - y; break;
    case MUL: r = x * y; break;
    case DIV: r = x / y; break;
    case RECIPROCAL: r = (T)1 / x; break;
    case SQRT: r = std::sqrt((T)x); break;
    case FMA: r = std::fma((T)x, (T)y, (T)z); break;
    default: break;
  }
  return r;
}

// a b + c in double, rounded to odd: rounding that to a format of at most 51 bits is as rounding the exact value.
static double fma_to_odd(double a, double b, double c) {
  volatile double x = a, y = b, z = c, r;
  std::fesetround(FE_TOWARDZERO);
  std::feclearexcept(FE_INEXACT);
  r = std::fma((double)x, (double)y, (double)z);
  bool inexact = std::fetestexcept(FE_INEXACT);
  std::fesetround(FE_TONEAREST);
  double v = r;
  if (v == 0 && !inexact) return std::fma((double)x, (double)y, (double)z);  // the sign of zero is that of rounding to nearest
  return cast_bits<double>(cast_bits<uint64_t>(v) | (uint64_t)inexact);
}

static bool compare(double a, double b) {
  const char* p = PREDICATE;
  bool unordered = a != a || b != b;
  if (!std::strcmp(p, "ord")) return !unordered;
  if (!std::strcmp(p, "uno")) return unordered;
  if (unordered) return p[0] == 'u';
  p++;
  if (!std::strcmp(p, "eq")) return a == b;
  if (!std::strcmp(p, "ne")) return a != b;
  if (!std::strcmp(p, "lt")) return a < b;
  if (!std::strcmp(p, "le")) return a <= b;
  if (!std::strcmp(p, "gt")) return a > b;
  return a >= b;
}

static double extreme(double a, double b, bool largest, bool propagate) {
  if (a != a || b != b) return propagate || (a != a && b != b) ? NAN : a != a ? b : a;
  if (a == 0 && b == 0) return std::signbit(a) == largest ? b : a;
  return (a < b) == largest ? b : a;
}

static uint64_t saturated(double v, bool is_signed) {
  uint64_t mask = WIDTH == 64 ? ~0ull : (1ull << WIDTH) - 1;
  if (v != v) return 0;
  double t = std::trunc(v), top = std::ldexp(1.0, is_signed ? WIDTH - 1 : WIDTH);
  if (t >= top) return is_signed ? mask >> 1 : mask;
  if (is_signed) return t < -top ? (mask >> 1) + 1 : (uint64_t)(int64_t)t & mask;
  return t <= 0 ? 0 : (uint64_t)t;
}

static uint64_t round_integer(uint64_t x, bool is_signed) {  // 64-bit integers do not fit in a double: round by hand
  bool negative = is_signed && (x >> (WIDTH - 1) & 1);
  uint64_t mask = WIDTH == 64 ? ~0ull : (1ull << WIDTH) - 1, m = negative ? (0 - x) & mask : x;
  int length = m ? 64 - __builtin_clzll(m) : 0;
  double v;
  if (length <= 53) v = (double)m;
  else {  // keep 53 bits with a sticky one below: exact for every target of up to 51 bits; f64 takes the host's conversion
    if (TS == 53) v = (double)m;
    else { int drop = length - 53; v = std::ldexp((double)((m >> drop) | ((m & ((1ull << drop) - 1)) != 0)), drop); }
  }
  return encode(negative ? -v : v, TE, TS, false);
}

static uint64_t expected(uint64_t a, uint64_t b, uint64_t c) {
  const bool flush_in = FLUSH && E >= 8, flush_out = FLUSH && TE >= 8;
  switch (OPERATION) {
    case FROM_SIGNED: return round_integer(a, true);
    case FROM_UNSIGNED: return round_integer(a, false);
    case TO_SIGNED: return saturated(decode(a, E, S, FLUSH), true);
    case TO_UNSIGNED: return saturated(decode(a, E, S, FLUSH), false);
    case CONVERT: return encode(decode(a, E, S, flush_in), TE, TS, flush_out);
    case NEG: return a ^ SIGN;
    case ABS: return a & ~SIGN;
    default: break;
  }
  double x = decode(a, E, S, FLUSH), y = decode(b, E, S, FLUSH), z = decode(c, E, S, FLUSH);
  switch (OPERATION) {
    case COMPARE: return compare(x, y);
    case MAXIMUM: return encode(extreme(x, y, true, true), E, S, FLUSH);
    case MINIMUM: return encode(extreme(x, y, false, true), E, S, FLUSH);
    case REMAINDER: return encode(std::fmod(x, y), E, S, FLUSH);
    case MAXNUM: return encode(extreme(x, y, true, false), E, S, FLUSH);
    case MINNUM: return encode(extreme(x, y, false, false), E, S, FLUSH);
    case FLOOR: return encode(std::floor(x), E, S, FLUSH);
    case CEIL: return encode(std::ceil(x), E, S, FLUSH);
    case TRUNC: return encode(std::trunc(x), E, S, FLUSH);
    case ROUND: return encode(std::round(x), E, S, FLUSH);
    case ROUNDEVEN: return encode(std::nearbyint(x), E, S, FLUSH);
    default: break;
  }
  unsigned saved = _mm_getcsr();
  if (FLUSH) _mm_setcsr(saved | 0x8040);
  uint64_t r;
  if (E == 8 && S == 24) r = cast_bits<uint32_t>(host(cast_bits<float>((uint32_t)a), cast_bits<float>((uint32_t)b), cast_bits<float>((uint32_t)c)));
  else if (E == 11 && S == 53) r = cast_bits<uint64_t>(host(cast_bits<double>(a), cast_bits<double>(b), cast_bits<double>(c)));
  else { _mm_setcsr(saved); return encode(OPERATION == FMA ? fma_to_odd(x, y, z) : host(x, y, z), E, S, FLUSH); }
  _mm_setcsr(saved);
  return r;
}

static uint64_t significand() {
  uint64_t r = rnd();
  int k = (r >> 8) % S, j = (r >> 16) % S;
  switch (r & 7) {
    case 0: return 0;
    case 1: return FRACTION;
    case 2: return (1ull << k) & FRACTION;
    case 3: return ((1ull << k) - 1) & FRACTION;
    case 4: return ~((1ull << k) - 1) & FRACTION;
    case 5: return (((r & 64) ? rnd() << k : 1ull << k) + ((r & 32) ? 1 : 1ull << j)) & FRACTION;  // a tail of zeros, and a bit in it
    case 6: return FRACTION ^ ((1ull << k) & FRACTION);
    default: return (r >> 7) & FRACTION;
  }
}

static uint64_t exponent() {  // near 0, the bias, the end, and the distances at which shifters change behaviour
  static const int anchors[] = {0, 0, 0, 1, BIAS - F, BIAS - 1, BIAS, BIAS, BIAS + 1, BIAS + F, BIAS + S, S, 2 * S, (int)EXPONENT - 1, (int)EXPONENT, (int)EXPONENT - S};
  uint64_t r = rnd();
  int e = anchors[r & 15] + (int)((r >> 8) % 5) - 2;
  return e < 0 ? 0 : e > (int)EXPONENT ? EXPONENT : e;
}

static uint64_t special() { return (rnd() & 1) << (N - 1) | exponent() << F | significand(); }
static uint64_t uniform() { return rnd() >> (64 - N); }
static uint64_t with_exponent(int64_t e) {
  e = e < 0 ? 0 : e > (int64_t)EXPONENT ? EXPONENT : e;
  return (rnd() & 1) << (N - 1) | (uint64_t)e << F | ((rnd() & 1) ? rnd() & FRACTION : significand());
}

static void vectors(uint64_t& a, uint64_t& b, uint64_t& c) {
  uint64_t r = rnd();
  const int reach = 2 * (S + 6);
  a = uniform(), b = uniform(), c = uniform();
  switch (r & 7) {
    case 0: break;
    case 1: a = special(), b = special(), c = special(); break;
    case 2: a = special(), c = special(); break;
    case 3: case 4: {  // exponents within reach of each other, or, of one operand, of the ends of the result's range
      if (r & 32) a = special();
      if (OPERATION == CONVERT) {
        const int end = (1 << (TE - 1)) - 1, span = 2 * TS + 6;
        a = with_exponent(BIAS + ((r & 64) ? end : -end) + (int64_t)((r >> 8) % span) - span / 2);
        int k = 1 + (int)((r >> 40) % F);  // a tie at bit k - 1, but for a bit below it
        if (r & 8192) a = (a & ~FRACTION) | (((rnd() << k | 1ull << (k - 1)) + (1ull << (r >> 50) % k)) & FRACTION);
      }
      b = with_exponent((int64_t)(a >> F & EXPONENT) + (int64_t)((r >> 8) % reach) - reach / 2);
      break;
    }
    case 5: {  // a product (or quotient) near the ends of the range
      int64_t e = a >> F & EXPONENT, edge = (r & 64) ? BIAS - e : 3 * BIAS - e;
      if (OPERATION == DIV) edge = (r & 64) ? e + BIAS : e - BIAS;
      b = with_exponent(edge + (int64_t)((r >> 8) % reach) - reach / 2);
      break;
    }
    case 6: {  // near-cancellation; for quotients and roots: exact ones, and what is next to them
      if (OPERATION == DIV && !FLUSH && F > 3 && (r & 0x6000) == 0x2000) {  // exact, but too small for all bits of the quotient
        const int i = (int)((r >> 40) % (F > 1 ? F - 1 : 1)), j = F - 1 - i;
        const uint64_t q = 1ull << i | (rnd() & ((1ull << i) - 1)) | 1, m = 1ull << j | (rnd() & ((1ull << j) - 1));
        uint64_t p = q * m;
        while (!(p >> F)) p <<= 1;
        const int64_t e = 1 + (int64_t)(rnd() % (BIAS / 2));
        a = (with_exponent(e) & ~FRACTION) | (p & FRACTION);
        b = (with_exponent(e + BIAS - 1 + (int64_t)((r >> 20) % (F + 2))) & ~FRACTION) | (m << (F - j) & FRACTION);
        return;
      }
      if (OPERATION == DIV || OPERATION == SQRT) {
        uint64_t q = (((r & 32) ? significand() : rnd() & FRACTION) | 1ull << F), m = OPERATION == DIV ? (b & FRACTION) | 1ull << F : q;
        unsigned __int128 p = (unsigned __int128)q * m;
        bool carry = p >> (2 * F + 1) & 1;
        uint64_t e = a >> F & EXPONENT;
        if (OPERATION == DIV && (r & 64)) {  // nearly half way: q m = k modulo 2^(S+1) with a small k, and a is the rest of q m
          uint64_t inverse = m |= 1, k = (r >> 12) % 16 - 8, half = (2ull << S) - 1;
          for (int i = 0; i < 6; i++) inverse *= 2 - m * inverse;
          q = inverse * k & half, p = (unsigned __int128)q * m - k;
          b |= 1;
          if (q >> S) {
            uint64_t s = (uint64_t)(p >> (S + 1));
            a = (a & ~FRACTION) | ((s >> F ? s : s << 1) & FRACTION);
            break;
          }
        }
        if (OPERATION == SQRT) e ^= (e ^ BIAS ^ carry) & 1, a &= ~SIGN;
        a = (a & SIGN) | (e << F) | (((uint64_t)(p >> (F + carry)) + (r >> 8) % 3 - 1) & FRACTION);
        break;
      }
      if (r & 32) a = special();
      const bool opposite = OPERATION == ADD || OPERATION == FMA || (OPERATION != SUB && (r & 4096));
      b = ((opposite ? a ^ SIGN : a) + ((r >> 8) & 7) - 3) & (SIGN | (SIGN - 1));
      if (r & 64) b ^= (r & 2048) ? rnd() & ((2ull << (r >> 16) % S) - 1) : 1ull << (r >> 16) % S;  // any difference of k bits
      break;
    }
    default:  // subnormals and signed zeros
      a &= SIGN | FRACTION, b &= SIGN | FRACTION;
      if (r & 8) a &= SIGN;
      if (r & 16) b &= SIGN;
      if (r & 32) a = with_exponent((int64_t)((r >> 8) % (S + 2)));
      if ((r & 0x140) == 0x140) b = (b & SIGN) | exponent() << F;  // a power of two
  }
  if (OPERATION == FMA) {  // the addend near the product, or its near negative; products of few bits, and no special values
    if ((r & 7) == 6 || (r & 15) == 8)
      a = with_exponent(BIAS + (int64_t)(r >> 40 & 31) - 16), b = with_exponent(BIAS + (int64_t)(r >> 45 & 31) - 16);
    if ((r & 15) == 8) a = (a & ~FRACTION) | significand(), b = (b & ~FRACTION) | significand();
    if ((r & 103) == 102) {  // a product of few bits, and an addend that starts half a last place below: its rest decides
      a = (a & ~FRACTION) | (rnd() << (F - F / 2) & FRACTION), b = (b & ~FRACTION) | (rnd() << (F - F / 2) & FRACTION);
      c = with_exponent((int64_t)(a >> F & EXPONENT) + (int64_t)(b >> F & EXPONENT) - BIAS - S + (int64_t)(r >> 58 & 1));
      c = (c & ~FRACTION) | 1ull << (r >> 50) % F;
      return;
    }
    if (F > 2 && (r & 103) == 70) {  // 2^(F-1) + 2^k is below a product's last place; an addend that takes 2^k away, and a bit
      const int p = (int)((r >> 40) % (F > 2 ? F - 1 : 1)), q = F - 1 - p, k = (int)((r >> 45) % q);
      a = (a & ~FRACTION) | 1ull << p, b = (b & ~FRACTION) | 1ull << q | 1ull << k;
      c = with_exponent((int64_t)(a >> F & EXPONENT) + (int64_t)(b >> F & EXPONENT) - BIAS - (2 * F - p - k));
      c = (((a ^ b) & SIGN) ^ SIGN) | (c & (EXPONENT << F)) | 1ull << (r >> 50) % F;
      return;
    }
    if ((r & 7) == 6) {  // a product of S + 1 or 2 bits, half way between two floats, and an addend far below
      int i = 1 + (int)((r >> 40) % F), j = S - i;
      a = (a & ~FRACTION) | (((rnd() | 1) << (F - i)) & FRACTION), b = (b & ~FRACTION) | (((rnd() | 1) << (F - j)) & FRACTION);
      c = with_exponent((int64_t)(a >> F & EXPONENT) + (int64_t)(b >> F & EXPONENT) - BIAS - S - (int64_t)((r >> 50) % (3 * S)));
      if (r & 32) c &= ~FRACTION;
      return;
    }
    int64_t e = (int64_t)(a >> F & EXPONENT) + (int64_t)(b >> F & EXPONENT) - BIAS;
    if (r & 1024) c = with_exponent(e + (int64_t)((r >> 12) % (2 * reach)) - reach);
    if ((r & 6144) == 6144) { double p = decode(a, E, S, false) * decode(b, E, S, false); c = encode(-p, E, S, false); }
    if ((r & 0xF800) == 0xF800) c = (c + (r >> 50 & 7) - 3) & (SIGN | (SIGN - 1));
    if ((r & 0xF800) == 0x7800) c ^= rnd() & ((2ull << (r >> 50) % F) - 1);  // any number of leading bits cancel
  }
  if (r & 128) { uint64_t t = a; a = b; b = t; }
}

static uint64_t integer() {
  uint64_t r = rnd(), v = rnd(), mask = WIDTH == 64 ? ~0ull : (1ull << WIDTH) - 1;
  int k = (r >> 8) % WIDTH, j = (r >> 16) % WIDTH;
  switch (r & 3) {
    case 0: v >>= k; break;
    case 1: v = (1ull << k) + (r >> 24) % 3 - 1; break;
    case 2: v = ((1ull << k) + (1ull << j) + (r >> 24) % 3 - 1); break;
    default: break;
  }
  if (r & 128) v = 0 - v;
  return v & mask;
}

static uint64_t wanted(uint64_t a, uint64_t b, uint64_t c) {  // with the one NaN
  uint64_t want = expected(a, b, c);
  const bool is_float = OPERATION != COMPARE && OPERATION != TO_SIGNED && OPERATION != TO_UNSIGNED;
  const bool raw = OPERATION == NEG || OPERATION == ABS;
  if (is_float && !raw && is_nan(want, TE, TS, TFINITE)) want = infinity_of(TE, TS, TFINITE) | 1ull << (TS - 2);
  return want;
}

static uint64_t checked, mismatches;
static void check(uint64_t a, uint64_t b, uint64_t c, uint64_t got) {
  uint64_t want = wanted(a, b, c);
  checked++;
  if (want != got && mismatches++ < 8)
    std::printf("mismatch: a=%llx b=%llx c=%llx expected %llx, got %llx\n", (unsigned long long)a, (unsigned long long)b,
                (unsigned long long)c, (unsigned long long)want, (unsigned long long)got);
}

int main(int argc, char** argv) {
  const bool from_integer = OPERATION == FROM_SIGNED || OPERATION == FROM_UNSIGNED;
  const int bits = OPERANDS * (from_integer ? WIDTH : N);
  uint64_t count = argc > 1 ? std::strtoull(argv[1], nullptr, 0) : 0;  // 0: all inputs
  if (argc > 2) state ^= std::strtoull(argv[2], nullptr, 0) * 0xD1B54A32D192ED03ull;
  const bool all = count == 0;
  if (all) count = 1ull << bits;
  const int operand = from_integer ? WIDTH : N;
  const uint64_t mask = operand == 64 ? ~0ull : (1ull << operand) - 1;
#ifdef FAULTS  // unit() has faults 1 .. FAULTS: for each, the number of the vector that shows it, or 0
  const uint64_t start = state;
  for (fault = 1; fault <= FAULTS; fault++) {
    uint64_t a, b, c, i = 0, caught = 0;
    for (state = start; i < count && !caught; i++) {
      if (all) a = i & mask, b = i >> operand & mask, c = 0;
      else if (from_integer) a = integer(), b = c = 0;
      else vectors(a, b, c);
      if (unit(a, b, c) != wanted(a, b, c)) caught = i + 1;
    }
    std::printf("%llu\n", (unsigned long long)caught);
  }
  return 0;
#endif
#ifdef UNIT_LATENCY
  std::vector<uint64_t> qa(256), qb(256), qc(256);
#endif
  for (uint64_t i = 0; i < count; i++) {
    uint64_t a, b, c;
    if (all) a = i & mask, b = i >> operand & mask, c = OPERANDS == 3 ? i >> 2 * operand & mask : 0;
    else if (from_integer) a = integer(), b = c = 0;
    else vectors(a, b, c);
#ifdef UNIT_LATENCY
    qa[i & 255] = a, qb[i & 255] = b, qc[i & 255] = c;
    unit_put(a, b, c);
    if (UNIT_LATENCY == 0) check(a, b, c, unit_get());
    else if (i + 1 >= UNIT_LATENCY) { uint64_t k = (i + 1 - UNIT_LATENCY) & 255; check(qa[k], qb[k], qc[k], unit_get()); }
#else
    check(a, b, c, unit(a, b, c));
#endif
  }
  std::printf("%llu vectors, %llu mismatches\n", (unsigned long long)checked, (unsigned long long)mismatches);
  return mismatches != 0;
}
