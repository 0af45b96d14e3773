"""The operator table: the rows that `tests/operators` compiles and compares, and what was simulated of them."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
TYPES = {"float32": "f32", "int32": "i32", "int64": "i64", "bool": "i1", "uint8": "u8", "float16": "f16"}


def markdown() -> str:
    """A count, then a table for each kind."""
    sys.path.insert(0, str(ROOT))
    from tests.operators.row import FORMS, Row
    from tests.operators.simulate import BIT_EXACT, key, read
    from tests.operators.table import KINDS, ROWS

    record = read()

    def cell(row: Row, form: str) -> str:
        if form in row.refused:
            return f"[✗](refusals.md#{row.refused[form]})"
        return "✓" if form in row.forms else ""

    def types(row: Row) -> str:
        operands = [operand for form in row.forms.values() for operand in form]
        return ",&nbsp;".join(dict.fromkeys(TYPES[str(operand.dtype).removeprefix("torch.")] for operand in operands))

    def runs(row: Row) -> str:
        return ", ".join(n for n, answer in sorted(record.get(key(row), {}).items()) if answer == BIT_EXACT)

    supported = {row.operation for row in ROWS if row.accepted()}
    exact = {row.operation for row in ROWS if runs(row)}
    parts = [f"{len(supported)} operations in {len(ROWS)} rows; {len(exact)} operations were simulated."]
    for kind, rows in KINDS.items():
        lines = [f"| operation | written | types | {' | '.join(FORMS)} | simulated |"]
        lines.append("| --- " * 3 + "| :---: " * len(FORMS) + "| --- |")
        for row in rows:
            code = row.code.replace("|", "\\|")
            cells = [f"`{row.operation}`", f"`{code}`", types(row), *(cell(row, form) for form in FORMS), runs(row)]
            lines.append(f"| {' | '.join(cells)} |")
        parts += [f"## {kind}", "\n".join(lines)]
    return "\n\n".join(parts)
