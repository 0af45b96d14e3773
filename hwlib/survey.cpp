// The largest error of an elementary function over every (or every STEP-th) binary32 input, against double (whose error is below 1e-8 ulp).
// "unit.h" (made by survey.py) defines `uint64_t graph(uint64_t)`, `double exact(double)` and FLUSH.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include "unit.h"

static float as_float(uint32_t x) { float f; std::memcpy(&f, &x, 4); return f; }

int main(int argc, char** argv) {
  const uint64_t step = argc > 1 ? std::strtoull(argv[1], nullptr, 0) : 1;
  const double smallest = FLUSH ? 0x1p-126 : 0x1p-149, above = 0x1.ffffffp127;  // above: half way to 2^128
  uint64_t checked = 0, wrong = 0, inexact = 0;
  double worst = 0;
  uint32_t at = 0;
  for (uint64_t i = 0; i < 1ull << 32; i += step) {
    uint32_t x = (uint32_t)i, got = (uint32_t)graph(x);
    if (FLUSH && (x & 0x7f800000) == 0) x &= 0x80000000;
    double t = exact((double)as_float(x));
    bool ok = true;
    checked++;
    if (t != t) ok = got == 0x7fc00000;
    else if (t == 0 || std::isinf(t)) {
      float want = (float)t;
      ok = as_float(got) == want && std::signbit(as_float(got)) == std::signbit(want);
    } else if (std::fabs(t) < 0x1p-126 && FLUSH) ok = (got & 0x7fffffff) == 0 || (got & 0x7fffffff) == 0x00800000;
    else if (std::fabs(t) >= above) ok = (got & 0x7fffffff) == 0x7f800000 || (got & 0x7fffffff) == 0x7f7fffff;
    else {
      int e;
      std::frexp(t, &e);
      double ulp = std::ldexp(1.0, e - 24 < -149 ? -149 : e - 24);
      double error = std::fabs((double)as_float(got) - t) / ulp;
      if (std::isinf(as_float(got)) && std::fabs(t) > 0x1.fffffep127) error = 0;  // at the edge of overflow
      if (error > 0.5) inexact++;
      if (!(error < BOUND)) ok = false;
      if (error > worst) worst = error, at = x;
    }
    if (!ok && wrong++ < 8) std::printf("wrong: %08x gives %08x, exactly %.9g\n", x, got, t);
  }
  std::printf("%llu inputs, largest error %.4f ulp at %08x, %.2f %% not correctly rounded, %llu wrong\n", (unsigned long long)checked,
              worst, at, 100.0 * (double)inexact / (double)checked, (unsigned long long)wrong);
  return wrong != 0;
}
