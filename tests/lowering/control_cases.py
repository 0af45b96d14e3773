"""Small Calyx components, one for each control construct. Each counts how often its groups are active."""

from __future__ import annotations

import re

HEADER = """module attributes {calyx.entrypoint = "main"} {
  hw.module.extern @forward_1(in %in: i1, out out: i1) attributes {filename = "units.sv"}
"""
SIGNATURE = "(%go: i1 {go}, %clk: i1 {clk}, %reset: i1 {reset}, %x: i8) -> (%a: i8, %b: i8, %lit: i1, %done: i1 {done})"

# Two counting registers, a condition on %x, and static and dynamic groups over them.
BODY = """
  %one = hw.constant 1 : i8
  %three = hw.constant 3 : i8
  %five = hw.constant 5 : i8
  %true = hw.constant true
  %ra.in, %ra.write_en, %ra.clk, %ra.reset, %ra.out, %ra.done = calyx.register @ra : i8, i1, i1, i1, i8, i1
  %rb.in, %rb.write_en, %rb.clk, %rb.reset, %rb.out, %rb.done = calyx.register @rb : i8, i1, i1, i1, i8, i1
  %rc.in, %rc.write_en, %rc.clk, %rc.reset, %rc.out, %rc.done = calyx.register @rc : i8, i1, i1, i1, i8, i1
  %sum.left, %sum.right, %sum.out = calyx.std_add @sum : i8, i8, i8
  %sub.left, %sub.right, %sub.out = calyx.std_sub @sub : i8, i8, i8
  %inc.left, %inc.right, %inc.out = calyx.std_add @inc : i8, i8, i8
  %lt.left, %lt.right, %lt.out = calyx.std_lt @lt : i8, i8, i1
  %low.in, %low.out = calyx.std_slice @low : i8, i1
  %on.in, %on.out = calyx.primitive @on of @forward_1 : i1, i1
  CELLS
  calyx.wires {
    calyx.assign %a = %ra.out : i8
    calyx.assign %b = %rb.out : i8
    calyx.assign %lit = %on.out : i1
    calyx.assign %low.in = %x : i8
    calyx.assign %inc.left = %rc.out : i8
    calyx.assign %inc.right = %one : i8
    GROUPS
  }
"""

# CIRCT refuses groups that the control does not use.
GROUPS = """
    calyx.static_group latency<1> @one {
      calyx.assign %sum.left = %ra.out : i8
      calyx.assign %sum.right = %one : i8
      calyx.assign %ra.in = %sum.out : i8
      calyx.assign %ra.write_en = %true : i1
      calyx.assign %on.in = %true : i1
    }
----
    calyx.static_group latency<3> @three {
      %c0 = calyx.cycle 0
      %c2 = calyx.cycle 2
      %either = comb.or %c0, %c2 : i1
      calyx.assign %sub.left = %rb.out : i8
      calyx.assign %sub.right = %c0 ? %three : i8
      calyx.assign %sub.right = %c2 ? %five : i8
      calyx.assign %rb.in = %sub.out : i8
      calyx.assign %rb.write_en = %either ? %true : i1
    }
----
    calyx.static_group latency<9> @nine {
      %c4 = calyx.cycle 4
      %c8 = calyx.cycle 8
      %c1 = calyx.cycle 1
      calyx.assign %sub.left = %x : i8
      calyx.assign %sub.right = %five : i8
      calyx.assign %rb.in = %c4 ? %sub.out : i8
      calyx.assign %rb.in = %c8 ? %x : i8
      calyx.assign %rb.in = %c1 ? %ra.out : i8
      calyx.assign %rb.write_en = %c4 ? %true : i1
      calyx.assign %rb.write_en = %c8 ? %true : i1
      calyx.assign %rb.write_en = %c1 ? %true : i1
      calyx.assign %on.in = %true : i1
    }
----
    calyx.group @bump {
      calyx.assign %sum.left = %ra.out : i8
      calyx.assign %sum.right = %three : i8
      calyx.assign %ra.in = %sum.out : i8
      calyx.assign %ra.write_en = %true : i1
      calyx.group_done %ra.done : i1
    }
----
    calyx.group @load {
      calyx.assign %rb.in = %ra.out : i8
      calyx.assign %rb.write_en = %true : i1
      calyx.assign %on.in = %true : i1
      calyx.group_done %rb.done : i1
    }
----
    calyx.group @both {
      calyx.assign %ra.in = %x : i8
      calyx.assign %ra.write_en = %true : i1
      calyx.assign %rb.in = %ra.out : i8
      calyx.assign %rb.write_en = %ra.done : i1
      %all = comb.and %ra.done, %rb.done : i1
      calyx.group_done %all ? %true : i1
    }
----
    calyx.group @step {
      calyx.assign %rc.in = %inc.out : i8
      calyx.assign %rc.write_en = %true : i1
      calyx.group_done %rc.done : i1
    }
----
    calyx.comb_group @below {
      calyx.assign %lt.left = %rc.out : i8
      calyx.assign %lt.right = %five : i8
    }
----
    calyx.comb_group @small {
      calyx.assign %lt.left = %x : i8
      calyx.assign %lt.right = %three : i8
    }
"""

STATIC = {
    "single": "calyx.enable @one",
    "window": "calyx.enable @three",
    "long_window": "calyx.enable @nine",
    "repeat_one": "calyx.static_repeat 7 { calyx.enable @one }",
    "repeat_once": "calyx.static_repeat 1 { calyx.enable @one }",
    "repeat_twice": "calyx.static_repeat 2 { calyx.enable @one }",
    "static_kernel": "calyx.static_repeat 3 { calyx.static_repeat 4 { calyx.enable @one } }",
    "repeat_window": "calyx.static_repeat 4 { calyx.enable @three }",
    "static_seq": "calyx.static_seq { calyx.enable @three calyx.enable @one calyx.enable @nine }",
    "pipeline": (
        "calyx.static_seq { calyx.static_repeat 9 { calyx.enable @one } calyx.static_repeat 5 { calyx.enable @three } }"
    ),
    "static_par": "calyx.static_par { calyx.enable @nine calyx.static_repeat 6 { calyx.enable @one } }",
    "static_par_short_first": (
        "calyx.static_seq { calyx.static_par { calyx.static_repeat 2 { calyx.enable @one } calyx.enable @nine } "
        "calyx.enable @three }"
    ),
    "repeat_par": (
        "calyx.static_repeat 3 { calyx.static_par { calyx.enable @three calyx.static_seq { calyx.enable "
        "@one calyx.enable @one } } }"
    ),
    "repeat_seq": (
        "calyx.static_repeat 3 { calyx.static_seq { calyx.enable @one calyx.static_repeat 6 { calyx.enable @one } } }"
    ),
    "static_if": "calyx.static_if %low.out { calyx.enable @three } else { calyx.enable @one }",
    "if_only": "calyx.static_seq { calyx.static_if %low.out { calyx.enable @nine } calyx.enable @one }",
    "repeat_if": "calyx.static_repeat 5 { calyx.static_if %low.out { calyx.enable @one } }",
}
DYNAMIC = {
    "dyn_group": "calyx.enable @bump",
    "dyn_seq": "calyx.seq { calyx.enable @bump calyx.enable @load calyx.enable @bump calyx.enable @bump }",
    "dyn_both": "calyx.repeat 3 { calyx.seq { calyx.enable @both calyx.enable @step } }",
    "dyn_par": (
        "calyx.par { calyx.seq { calyx.enable @bump calyx.enable @bump } calyx.enable @load calyx.enable @step }"
    ),
    "dyn_if": (
        "calyx.seq { calyx.if %lt.out with @small { calyx.enable @bump } else { calyx.enable @load } "
        "calyx.enable @step }"
    ),
    "dyn_if_only": "calyx.seq { calyx.if %low.out { calyx.enable @bump } calyx.enable @load }",
    "dyn_while": (
        "calyx.seq { calyx.while %lt.out with @below { calyx.seq { calyx.enable @step calyx.enable "
        "@bump } } calyx.enable @load }"
    ),
    "dyn_repeat": "calyx.repeat 5 { calyx.seq { calyx.enable @bump calyx.repeat 2 { calyx.enable @step } } }",
    "dyn_empty": "calyx.seq { }",
    "dyn_mixed": (
        "calyx.seq { calyx.enable @bump calyx.static_repeat 6 { calyx.enable @one } calyx.par { "
        "calyx.enable @three calyx.enable @step } }"
    ),
    "dyn_while_if": (
        "calyx.while %lt.out with @below { calyx.seq { calyx.if %low.out { calyx.enable @bump } calyx.enable @step } }"
    ),
}

# Components that start others: in a static group as long as the callee, again at once, and by invoke.
CALLER_CELLS = """
  %k.go, %k.clk, %k.reset, %k.x, %k.a, %k.b, %k.lit, %k.done = calyx.instance @k of @NAME
      : i1, i1, i1, i8, i8, i8, i1, i1
"""
CALLER_WIRES = """
    calyx.static_group latency<LATENCY> @run {
      %first = calyx.cycle 0
      calyx.assign %k.go = %first ? %true : i1
      calyx.assign %k.x = %x : i8
      calyx.assign %on.in = %true : i1
    }
"""
CALLS = {
    "call": ("repeat_one", 7, "calyx.enable @run"),
    "call_again": ("repeat_one", 7, "calyx.static_repeat 3 { calyx.enable @run }"),
    "call_longer": ("repeat_one", 12, "calyx.static_seq { calyx.enable @run calyx.enable @run }"),
    "call_short": ("single", 1, "calyx.static_repeat 3 { calyx.enable @run }"),
}


def component(name: str, control: str, cells: str = "", wires: str = "", entry: bool = True) -> str:
    used = set(re.findall(r"@(\w+)", control))
    groups = "".join(group for group in GROUPS.split("----") if re.search(r"@(\w+)", group)[1] in used)
    body = BODY.replace("CELLS", cells).replace("GROUPS", groups + wires)
    end = " {toplevel}" if entry else ""
    return f"calyx.component @{name}{SIGNATURE} {{{body}  calyx.control {{ {control} }}\n}}{end}\n"


def programs() -> dict[str, str]:
    """Calyx text by name; the entry component of each has that name, and no two share a component's name."""
    found = {name: component(name, control) for name, control in {**STATIC, **DYNAMIC}.items()}
    for name, (callee, latency, control) in CALLS.items():
        wires = CALLER_WIRES.replace("LATENCY", str(latency))
        found[name] = _caller(name, callee, control, wires, "%a = %ra.out", "%a = %k.a")
    twice = "calyx.seq { calyx.invoke @k(%k.x = %x) -> (i8) calyx.enable @bump calyx.invoke @k(%k.x = %five) -> (i8) }"
    found["invoke"] = _caller("invoke", "dyn_while", twice, "", "%b = %rb.out", "%b = %k.b")
    return {name: f"{HEADER.replace('main', name)}{text}}}\n" for name, text in found.items()}


def _caller(name: str, callee: str, control: str, wires: str, port: str, result: str) -> str:
    inner = f"{name}_callee"
    caller = component(name, control, CALLER_CELLS.replace("NAME", inner), wires).replace(port, result)
    return component(inner, {**STATIC, **DYNAMIC}[callee], entry=False) + caller
