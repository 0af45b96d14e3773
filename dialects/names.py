"""Names that may stand in the generated SystemVerilog: legal, unique, and still recognisable.

A legal name is an ASCII identifier without leading, trailing or doubled underscores that is no keyword of
IEEE 1800-2017 (annex B). A name that is already taken gets the first free `_1`, `_2`, …
"""

from __future__ import annotations

import re

from torch2hw.dialects.bank_ports import is_like_a_bank
from torch2hw.dialects.interface import MEMORY

KEYWORDS = frozenset(
    [
        "accept_on",
        "alias",
        "always",
        "always_comb",
        "always_ff",
        "always_latch",
        "and",
        "assert",
        "assign",
        "assume",
        "automatic",
        "before",
        "begin",
        "bind",
        "bins",
        "binsof",
        "bit",
        "break",
        "buf",
        "bufif0",
        "bufif1",
        "byte",
        "case",
        "casex",
        "casez",
        "cell",
        "chandle",
        "checker",
        "class",
        "clocking",
        "cmos",
        "config",
        "const",
        "constraint",
        "context",
        "continue",
        "cover",
        "covergroup",
        "coverpoint",
        "cross",
        "deassign",
        "default",
        "defparam",
        "design",
        "disable",
        "dist",
        "do",
        "edge",
        "else",
        "end",
        "endcase",
        "endchecker",
        "endclass",
        "endclocking",
        "endconfig",
        "endfunction",
        "endgenerate",
        "endgroup",
        "endinterface",
        "endmodule",
        "endpackage",
        "endprimitive",
        "endprogram",
        "endproperty",
        "endspecify",
        "endsequence",
        "endtable",
        "endtask",
        "enum",
        "event",
        "eventually",
        "expect",
        "export",
        "extends",
        "extern",
        "final",
        "first_match",
        "for",
        "force",
        "foreach",
        "forever",
        "fork",
        "forkjoin",
        "function",
        "generate",
        "genvar",
        "global",
        "highz0",
        "highz1",
        "if",
        "iff",
        "ifnone",
        "ignore_bins",
        "illegal_bins",
        "implements",
        "implies",
        "import",
        "incdir",
        "include",
        "initial",
        "inout",
        "input",
        "inside",
        "instance",
        "int",
        "integer",
        "interconnect",
        "interface",
        "intersect",
        "join",
        "join_any",
        "join_none",
        "large",
        "let",
        "liblist",
        "library",
        "local",
        "localparam",
        "logic",
        "longint",
        "macromodule",
        "matches",
        "medium",
        "modport",
        "module",
        "nand",
        "negedge",
        "nettype",
        "new",
        "nexttime",
        "nmos",
        "nor",
        "noshowcancelled",
        "not",
        "notif0",
        "notif1",
        "null",
        "or",
        "output",
        "package",
        "packed",
        "parameter",
        "pmos",
        "posedge",
        "primitive",
        "priority",
        "program",
        "property",
        "protected",
        "pull0",
        "pull1",
        "pulldown",
        "pullup",
        "pulsestyle_ondetect",
        "pulsestyle_onevent",
        "pure",
        "rand",
        "randc",
        "randcase",
        "randsequence",
        "rcmos",
        "real",
        "realtime",
        "ref",
        "reg",
        "reject_on",
        "release",
        "repeat",
        "restrict",
        "return",
        "rnmos",
        "rpmos",
        "rtran",
        "rtranif0",
        "rtranif1",
        "s_always",
        "s_eventually",
        "s_nexttime",
        "s_until",
        "s_until_with",
        "scalared",
        "sequence",
        "shortint",
        "shortreal",
        "showcancelled",
        "signed",
        "small",
        "soft",
        "solve",
        "specify",
        "specparam",
        "static",
        "string",
        "strong",
        "strong0",
        "strong1",
        "struct",
        "super",
        "supply0",
        "supply1",
        "sync_accept_on",
        "sync_reject_on",
        "table",
        "tagged",
        "task",
        "this",
        "throughout",
        "time",
        "timeprecision",
        "timeunit",
        "tran",
        "tranif0",
        "tranif1",
        "tri",
        "tri0",
        "tri1",
        "triand",
        "trior",
        "trireg",
        "type",
        "typedef",
        "union",
        "unique",
        "unique0",
        "unsigned",
        "until",
        "until_with",
        "untyped",
        "use",
        "uwire",
        "var",
        "vectored",
        "virtual",
        "void",
        "wait",
        "wait_order",
        "wand",
        "weak",
        "weak0",
        "weak1",
        "while",
        "wildcard",
        "wire",
        "with",
        "within",
        "wor",
        "xnor",
        "xor",
    ]
)

CONTROL_PORTS = frozenset(port.name for port in MEMORY.control_ports())
"""The ports every design has; no tensor may take their names."""


def identifier(text: str, otherwise: str = "x") -> str:
    """`text` made an identifier, which may still be a keyword; `otherwise` if no character of it is left."""
    name = re.sub(r"_+", "_", re.sub(r"[^A-Za-z0-9_]", "_", text)).strip("_")
    if not name:
        return otherwise
    return name if not name[0].isdigit() else f"{otherwise}{name}"


def escaped(text: str) -> str:
    """`text` in printable ASCII without quotes and backslashes, as all levels of text can hold it: the bytes of other
    characters, and of %, are %XX."""
    return re.sub(r"[^ !#$&-\[\]-~]", lambda found: "".join(f"%{byte:02X}" for byte in _utf_8(found[0])), text)


def _utf_8(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def unescaped(name: str) -> str:
    """The text that `escaped` was given."""
    return re.sub(rb"%([0-9A-F]{2})", lambda found: bytes.fromhex(found[1].decode()), _utf_8(name)).decode(
        "utf-8", "surrogateescape"
    )


def readable(name: str) -> str:
    """What to show of an escaped name on one line: other scripts and quotes as they are, controls as %XX."""
    return "".join(each if each.isprintable() else escaped(each) for each in unescaped(name))


def is_legal(name: str) -> bool:
    """Whether `name` may stand in SystemVerilog unchanged."""
    return re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) is not None and name not in KEYWORDS


class UniqueNames:
    """Gives out legal names, each once. Keywords and `reserved` names are never given out, nor names that look like a
    bank of another tensor (`x_b0` becomes `x_b0_`)."""

    def __init__(self, reserved: frozenset[str] = CONTROL_PORTS) -> None:
        self._taken = set(KEYWORDS | reserved)

    def take(self, text: str, otherwise: str = "x") -> str:
        """The legal name nearest to `text` that is still free."""
        stem = identifier(text, otherwise)
        stem += "_" if is_like_a_bank(stem) else ""
        name, count = stem, 0
        while name in self._taken:
            count += 1
            name = f"{stem}_{count}"
        self._taken.add(name)
        return name
