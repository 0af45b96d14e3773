"""Parts of the pages that are made of the code: a line `<!-- generated: NAME -->` is replaced by what `NAME` returns.

| name          | source                                                              |
|---------------|---------------------------------------------------------------------|
| command-line  | the argument parsers of `torch2hw/commands/`                        |
| options       | the fields and the docstring of `torch2hw.compiler.options.Options`          |
| operators     | the rows of `tests/operators/`                                      |
| refusals      | the subclasses of `Torch2HWError`, and the goldens of their tests   |
| comparison    | `benchmarks/results.json` and `explore/paper.py`                 |
| benchmarks    | `benchmarks/*.md`                                                   |

A name that is not known is an error, and so the build fails.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import benchmark_tables
import command_line
import operator_table
import option_fields
import refusal_codes

PARTS: dict[str, Callable[[], str]] = {
    "command-line": command_line.markdown,
    "options": option_fields.markdown,
    "operators": operator_table.markdown,
    "refusals": refusal_codes.markdown,
    "comparison": benchmark_tables.comparison,
    "benchmarks": benchmark_tables.files,
}


def on_page_markdown(markdown: str, **_: Any) -> str:
    """The page with its generated parts; called by mkdocs for each page."""
    return re.sub(r"^<!-- generated: ([\w-]+) -->$", lambda match: PARTS[match[1]](), markdown, flags=re.MULTILINE)
