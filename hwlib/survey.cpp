// The largest error of an elementary function over every (or every STEP-th) binary32 input, against double (whose error is below 1e-8 ulp).
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

static bool right(uint32_t x, uint32_t got, double& t, double& error) {
  t = exact((double)as_float(operand(x)));
  return right(got, t, error);
}

#ifdef FAULTS
// For each fault: the number of the input that breaks the bound, and of the one whose result is not the faultless unit's.
static const int SPECIALS = 24;

static uint32_t compared_input(int i) {  // specials, uniform bits, and exponents near the bias, where functions vary
  static const uint32_t fields[] = {0, 1, 254, 255}, fractions[] = {0, 1, 0x7fffff};
  if (i < SPECIALS) return (uint32_t)(i & 1) << 31 | fields[i >> 1 & 3] << 23 | fractions[i / 8];
  uint32_t x = (uint32_t)i * 2654435761u;
  return i & 1 ? x : (x & 0x807fffff) | (100 + (x >> 8) % 37) << 23;
}

int main(int, char** argv) {
  const uint64_t step = std::strtoull(argv[1], nullptr, 0);
  const int compared = std::atoi(argv[2]);
  std::vector<uint32_t> model(compared);
  for (int i = 0; i < compared; i++) model[i] = (uint32_t)graph(compared_input(i));
  for (fault = 1; fault <= FAULTS; fault++) {
    uint64_t broken = 0, differs = 0, count = 0;
    double t, error;
    for (; count < SPECIALS && !broken; count++)
      if (!right(compared_input((int)count), (uint32_t)graph(compared_input((int)count)), t, error)) broken = count + 1;
    for (uint64_t i = 0; i < 1ull << 32 && !broken; i += step, count++)
      if (!right((uint32_t)i, (uint32_t)graph((uint32_t)i), t, error)) broken = count + 1;
    for (int i = 0; i < compared && !differs; i++)
      if (model[i] != (uint32_t)graph(compared_input(i))) differs = i + 1;
    std::printf("%llu %llu\n", (unsigned long long)broken, (unsigned long long)differs);
  }
  return 0;
}
#else
enum { BLOCK = 1024 };

__attribute__((noinline)) static void results(uint64_t first, uint64_t step, uint32_t* got) {  // vectorised
  for (int i = 0; i < BLOCK; i++) got[i] = (uint32_t)graph((uint32_t)((first + i) * step));
}

int main(int argc, char** argv) {
  const uint64_t step = argc > 1 ? std::strtoull(argv[1], nullptr, 0) : 1, total = ((1ull << 32) - 1) / step + 1;
  static uint32_t got[BLOCK];
  static double want[BLOCK];
  uint64_t wrong = 0, inexact = 0;
  double worst = 0;
  uint32_t at = 0;
  for (uint64_t first = 0; first < total; first += BLOCK) {
    const int size = (int)std::min<uint64_t>(BLOCK, total - first);
    results(first, step, got);
    for (int i = 0; i < size; i++) want[i] = exact((double)as_float(operand((uint32_t)((first + i) * step))));
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
      inexact += error > 0.5;
      if (error > worst) worst = error, at = (uint32_t)((first + i) * step);
      if (!ok && wrong++ < 8) std::printf("wrong: %08x gives %08x, exactly %.9g\n", (uint32_t)((first + i) * step), got[i], t);
    }
  }
  std::printf("%llu inputs, largest error %.4f ulp at %08x, %.2f %% not correctly rounded, %llu wrong\n", (unsigned long long)total,
              worst, at, 100.0 * (double)inexact / (double)total, (unsigned long long)wrong);
  return wrong != 0;
}
#endif
