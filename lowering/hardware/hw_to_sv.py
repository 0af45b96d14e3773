"""hw → SystemVerilog, by CIRCT's passes and its ExportVerilog.

needs:  hw-level text. In a component each operation and the module itself end in the user's location or
        `loc(unknown)`; in a module of the library there are none.
leaves: SystemVerilog that Verilator, slang and Yosys read; one module an hw.module, `// model.py:12` beside what
        implements it.
why:    the options avoid what some tools do not accept: local variables in always blocks, and the randomisation macros
        that seq-to-sv uses without declaring them (ExportVerilog aborts on those).
"""

from __future__ import annotations

import io
import re

from torch2hw.tools.circt_bindings import export_verilog, ir, passmanager, register_dialects

PASSES = (  # module by module, where one needs no other: CIRCT's threads share them, and each has less to look through
    "hw.module(canonicalize,cse)",
    "lower-seq-to-sv{disable-mem-randomization=true disable-reg-randomization=true}",
    "hw.module(canonicalize,cse,prettify-verilog,hw-cleanup)",
)
_OPTIONS = (
    "disallowLocalVariables",
    "emittedLineLength=120",
    "locationInfoStyle=plain",
    "omitVersionComment",
)
# What `verilator --lint-only -Wall` would say of every design, each with why it is meant.
HEADER = """\
// One file holds every module of the design.
// verilator lint_off DECLFILENAME
// A sum with a carry has a lowest bit, and an index an upper part, that nothing reads.
// verilator lint_off UNUSEDSIGNAL
// An instance may have outputs that its user does not want.
// verilator lint_off PINCONNECTEMPTY

"""
INTERRUPT_HEADER = """\
// Vitis calls the port so, and C++ code a type.
// verilator lint_off SYMRSVDWORD

"""


def export(hw_text: str) -> str:
    """The SystemVerilog of every module in `hw_text`, in its order."""
    context = ir.Context()
    register_dialects(context)
    with context, ir.Location.unknown():
        module = ir.Module.parse(hw_text)
        _forget_own_lines(module)
        module.operation.attributes["circt.loweringOptions"] = ir.StringAttr.get(",".join(_OPTIONS))
        passmanager.PassManager.parse(f"builtin.module({','.join(PASSES)})").run(module.operation)
        out = io.StringIO()
        export_verilog(module, out)
    text = "\n".join(line.rstrip() for line in out.getvalue().strip("\n").split("\n"))  # CIRCT leaves blanks at ends
    # Our arrays are packed and their elements sized: the pattern '{a, b} is the concatenation {a, b}, which Icarus 11
    # reads. CIRCT has no option for that, and no quoted text of ours has these characters.
    header = HEADER + (INTERRUPT_HEADER if re.search(r"\binterrupt\b", text) else "")
    return header + text.replace("'{", "{") + "\n"


def _forget_own_lines(module: ir.Module) -> None:
    """Removes the locations of operations and ports that point into our intermediate text (file "-").

    To ask an operation for its location takes 40 µs: modules in which each has one are not looked into.
    """
    unknown = ir.Location.unknown()

    def forget(operation: ir.Operation) -> ir.WalkResult:
        operation.location = unknown
        return ir.WalkResult.ADVANCE

    for hardware in module.body.operations:
        if hardware.operation.name == "hw.module":
            for port in hardware.operation.regions[0].blocks[0].arguments:
                port.set_location(unknown)
            del hardware.attributes["result_locs"]  # those of its outputs
        if str(hardware.operation.location).startswith('loc("-"'):
            hardware.operation.walk(forget)
