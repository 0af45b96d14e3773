"""Whether two units of one operand compute the same, by every value that it can have (2^32 of a float: a minute)."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from . import emit_c
from .unit import Unit
from .verify import run_tool

WIDEST = 32  # operand bits
PROGRAM = """#include <cstdint>
#include <cstdio>
enum { BLOCK = 1024 };
__attribute__((noinline)) static uint64_t differ(uint64_t first) {
  uint64_t any = 0;
  for (int i = 0; i < BLOCK; i++) any |= left((first + i) & MASK) ^ right((first + i) & MASK);
  return any;
}
int main() {
  for (uint64_t first = 0; first <= MASK; first += BLOCK) {
    if (!differ(first)) continue;
    for (uint64_t x = first; x <= MASK; x++)
      if (left(x) != right(x)) return std::printf("%llu\\n", (unsigned long long)x), 0;
  }
  return std::printf("none\\n"), 0;
}
"""


def difference(left: Unit, right: Unit) -> int | None:
    """The least operand for which the results differ, or None: then they are the same unit."""
    (operand,) = left.operands
    assert operand.width <= WIDEST, "too many values to try"
    graphs = [emit_c.emit(name, list(u.operands), u.schedule.output) for name, u in (("left", left), ("right", right))]
    mask = f"static const uint64_t MASK = {(1 << operand.width) - 1}ull;\n"
    with TemporaryDirectory(prefix="torch2hw-") as temporary:
        source, binary = Path(temporary) / "differ.cpp", Path(temporary) / "differ"
        source.write_text("#include <stdint.h>\n" + "".join(graphs) + mask + PROGRAM)
        run_tool(["g++", *emit_c.FLAGS, "-w", "-o", str(binary), str(source)])
        found = run_tool([str(binary)]).strip()
    return None if found == "none" else int(found)
