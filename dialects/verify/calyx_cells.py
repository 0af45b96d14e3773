"""Calyx text: CIRCT's verifier, and what that does not know of our design.

Every input that a cell computes with is assigned; every primitive has its definition, and every memory the contents
that its definition refers to by name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from torch2hw.dialects.verify.modules import circt_references, contents_faults, said
from torch2hw.hwlib.contents import Contents

_COMPONENT = re.compile(r"^  calyx\.(?:comb_)?component @([\w.$-]+)\((.*?)\) -> ", re.MULTILINE)
_EXTERN = re.compile(r"^  hw\.module\.extern @([\w.$-]+)\((.*?)\)", re.MULTILINE)
_INPUT = re.compile(r"(?:in )?%([\w$-]+): i\d+(?! \{)")  # clk, reset and go have an attribute
_CELL = re.compile(
    r"^ *(%[^\n=]*?) = calyx\.(?:(?:primitive|instance) @([\w$-]+) of @([\w.$-]+)|([\w.]+) @([\w$-]+)) .*$",
    re.MULTILINE,
)
_DRIVEN = re.compile(r"%([\w$-]+\.[\w$-]+) = ")
_OPERANDS = {"left", "right", "in", "cond", "tru", "fal", "write_en"}
_WITHOUT_CHECK = ("memory", "seq_mem")  # those that are only read leave their write port alone


def calyx_faults(text: str, definitions: Mapping[str, str], contents: Mapping[str, Contents]) -> Iterator[str]:
    """What is wrong with a Calyx program, a sentence each."""
    from torch2hw.dialects import calyx
    from torch2hw.tools.circt_bindings import ir

    try:
        calyx.verified(text)
    except ir.MLIRError as error:
        yield said(error)
        return
    primitives = {name: set(_INPUT.findall(ports)) for name, ports in _EXTERN.findall(text)}
    for name in primitives.keys() - definitions.keys():
        yield f"the primitive {name} has no definition"
    heads = list(_COMPONENT.finditer(text))
    inputs = primitives | {head[1]: set(_INPUT.findall(head[2])) for head in heads}
    for head, after in zip(heads, [*heads[1:], None], strict=True):
        body = text[head.end() : after.start() if after else len(text)]
        for fault in _cell_faults(body, inputs):
            yield f"component {head[1]}: {fault}"
    referred = set().union(*(circt_references(definition) for definition in definitions.values()))
    yield from contents_faults(referred, contents)


def _cell_faults(body: str, inputs: Mapping[str, set[str]]) -> Iterator[str]:
    """Cells of a component of which an operand is not assigned."""
    driven = set(_DRIVEN.findall(body))
    for results, made, of, kind, built in _CELL.findall(body):
        if kind in _WITHOUT_CHECK:
            continue
        cell = made or built
        ports = {port.strip().removeprefix(f"%{cell}.") for port in results.split(",")}
        for port in sorted(ports & (inputs[of] if of else _OPERANDS)):
            if f"{cell}.{port}" not in driven:
                yield f"input {port} of cell {cell} is not assigned"
