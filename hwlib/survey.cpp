// The largest error of an elementary function over every binary32 input, or over a sample (specials, exponents near the bias, every
// STEP-th), against double (whose error is below 1e-8 ulp).
// "unit.h" (made by survey.py) defines `uint64_t graph(uint64_t)`, `double exact(double)`, FLUSH and BOUND; with FAULTS,
// graph() has faults 1 .. FAULTS, which the global `fault` selects (mutate.py).
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>
#include "unit.h"

static float as_float(uint32_t x) { float f; std::memcpy(&f, &x, 4); return f; }
static inline uint64_t bits_of(double x) { uint64_t u; std::memcpy(&u, &x, 8); return u; }
static inline double as_double(uint64_t u) { double x; std::memcpy(&x, &u, 8); return x; }

static inline uint32_t operand(uint32_t x) { return FLUSH && (x & 0x7f800000) == 0 ? x & 0x80000000 : x; }

// Whether `got` is within the bound of the exact t; `error` in ulp, where there is one.
static bool right(uint32_t got, double t, double& error) {
  const double above = 0x1.ffffffp127;  // half way to 2^128
  error = 0;
  if (t != t) return got == 0x7fc00000;
  if (t == 0 || std::isinf(t)) {
    float want = (float)t;
    return as_float(got) == want && std::signbit(as_float(got)) == std::signbit(want);
  }
  if (std::fabs(t) < 0x1p-126 && FLUSH) return (got & 0x7fffffff) == 0 || (got & 0x7fffffff) == 0x00800000;
  if (std::fabs(t) >= above) return (got & 0x7fffffff) == 0x7f800000 || (got & 0x7fffffff) == 0x7f7fffff;
  int e;
  std::frexp(t, &e);
  double ulp = std::ldexp(1.0, e - 24 < -149 ? -149 : e - 24);
  error = std::fabs((double)as_float(got) - t) / ulp;
  if (std::isinf(as_float(got)) && std::fabs(t) > 0x1.fffffep127) error = 0;  // at the edge of overflow
  return error < BOUND;
}

static const uint64_t SPECIALS = 24, NEAR = 1 << 18;

static uint64_t inputs(uint64_t step) { return (step == 1 ? 0 : SPECIALS + NEAR) + ((1ull << 32) - 1) / step + 1; }

static uint32_t input(uint64_t i, uint64_t step) {
  static const uint32_t fields[] = {0, 1, 254, 255}, fractions[] = {0, 1, 0x7fffff};
  if (step == 1) return (uint32_t)i;
  if (i < SPECIALS) return (uint32_t)(i & 1) << 31 | fields[i >> 1 & 3] << 23 | fractions[i / 8];
  if (i < SPECIALS + NEAR) {  // where functions vary
    uint32_t x = (uint32_t)i * 2654435761u;
    return (x & 0x807fffff) | (100 + (uint32_t)i % 37) << 23;
  }
  return (uint32_t)((i - SPECIALS - NEAR) * step);
}

#ifdef FAULTS
// For each fault: the number, from 1, of the first input whose result breaks the bound, and of the first whose result is not the
// faultless unit's; 0 if there is none.
int main(int, char** argv) {
  const uint64_t step = std::strtoull(argv[1], nullptr, 0), total = inputs(step);
  std::vector<uint32_t> model(total);
  for (uint64_t i = 0; i < total; i++) model[i] = (uint32_t)graph(input(i, step));
  for (fault = 1; fault <= FAULTS; fault++) {
    uint64_t broken = 0, differs = 0;
    for (uint64_t i = 0; i < total && !broken; i++) {
      const uint32_t x = input(i, step), got = (uint32_t)graph(x);
      if (got == model[i]) continue;
      if (!differs) differs = i + 1;
      double error;
      if (!right(got, exact((double)as_float(operand(x))), error)) broken = i + 1;
    }
    std::printf("%llu %llu\n", (unsigned long long)broken, (unsigned long long)differs);
  }
  return 0;
}
#else
enum { BLOCK = 1024 };

__attribute__((noinline)) static void results(const uint32_t* x, uint32_t* got) {  // vectorised
  for (int i = 0; i < BLOCK; i++) got[i] = (uint32_t)graph(x[i]);
}

int main(int argc, char** argv) {
  const uint64_t step = argc > 1 ? std::strtoull(argv[1], nullptr, 0) : 1, total = inputs(step);
  static uint32_t x[BLOCK], got[BLOCK];
  static double want[BLOCK];
  uint64_t wrong = 0, inexact = 0, sum = 0xcbf29ce484222325ull;  // FNV-1a, a word at a time
  double worst = 0;
  uint32_t at = 0;
  for (uint64_t first = 0; first < total; first += BLOCK) {
    const int size = (int)std::min<uint64_t>(BLOCK, total - first);
    for (int i = 0; i < BLOCK; i++) x[i] = input(first + i, step);
    results(x, got);
    for (int i = 0; i < size; i++) want[i] = exact((double)as_float(operand(x[i])));
    for (int i = 0; i < size; i++) {
      const double t = want[i], size_of_t = std::fabs(t);
      double error;
      bool ok;
      if (size_of_t >= 0x1p-126 && size_of_t <= 0x1.fffffep127 && (got[i] & 0x7f800000) != 0x7f800000) {
        // as `right`, with one ulp from the exponent field: a normal float for a normal float
        error = std::fabs((double)as_float(got[i]) - t) * as_double((2 * 1023 + 23 - (bits_of(size_of_t) >> 52)) << 52);
        ok = error < BOUND;
      } else {
        ok = right(got[i], t, error);
      }
      sum = (sum ^ got[i]) * 0x100000001b3ull;
      inexact += error > 0.5;
      if (error > worst) worst = error, at = x[i];
      if (!ok && wrong++ < 8) std::printf("wrong: %08x gives %08x, exactly %.9g\n", x[i], got[i], t);
    }
  }
  std::printf("%llu inputs, largest error %.4f ulp at %08x, %.2f %% not correctly rounded, %llu wrong; results %016llx\n",
              (unsigned long long)total, worst, at, 100.0 * (double)inexact / (double)total, (unsigned long long)wrong,
              (unsigned long long)sum);
  return wrong != 0;
}
#endif
