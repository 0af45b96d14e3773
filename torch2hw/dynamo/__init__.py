"""`torch.compile(model, backend="torch2hw")`: what hardware can compute runs on it, the rest in PyTorch.

Dynamo hands over a graph, which is split into parts: those of supported operations are compiled and run on the design,
by its bit-identical reference on the CPU or, with `mode="simulate"`, by simulating the SystemVerilog. Options of a
compilation, and the mode, go into `options`:

    torch.compile(model, backend="torch2hw", options={"partition": 4, "mode": "simulate"})

A graph is compiled once for each set of shapes that it is called with, at the first call. Parameters are constants of
the design; where one has been changed since, they become inputs. In training the backward pass is a graph of its own.
Operations that draw random numbers stay in PyTorch, on its generator.

`reports()` says what ran where.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import fx

from torch2hw.compiler.options import Options
from torch2hw.dynamo.records import GraphReport, PartReport, last_report, reports, reset
from torch2hw.dynamo.runner import Runner
from torch2hw.tools.errors import UsageError

__all__ = ["MODES", "GraphReport", "PartReport", "backend", "last_report", "reports", "reset"]

MODES = ("reference", "simulate")


def backend(
    graph: fx.GraphModule, example_inputs: Sequence[Any], mode: str | None = None, options: Any = None
) -> Callable[..., Any]:
    """What torch.compile calls. Raises UsageError for options that do not exist."""
    given = dict(options or {})
    mode = given.pop("mode", mode) or MODES[0]
    if mode not in MODES:
        raise UsageError(f"torch.compile: mode {mode!r}", fix=f"the modes are {' and '.join(MODES)}")
    return Runner(graph, Options.given(given), mode, "inference")
