"""`torch2hw search`: options that reach a goal."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from torch2hw.commands.argument_types import count, number
from torch2hw.commands.model_arguments import model_command, options_of
from torch2hw.tools.errors import UsageError

if TYPE_CHECKING:
    from torch2hw.explore.goal import Goal
    from torch2hw.explore.search import Candidate

HELP = "find the options of the fastest design within a budget, or of the smallest that is fast enough"
FORMATS = ("f32", "bf16", "f16", "int8")


def add(commands: Any) -> None:
    """The command's arguments."""
    parser = model_command(commands, "search", HELP)
    for name, what in (("lut", "LUTs"), ("dsp", "DSPs"), ("bram", "block RAMs of 36 Kbit")):
        parser.add_argument(f"--{name}", metavar="N", help=f"the most {what}")
    parser.add_argument("--part", metavar="PART", help="the budget of a device: xcu50, xc7z020 or xck26")
    parser.add_argument("--fps", metavar="F", help="at least so many runs a second, one after the other")
    parser.add_argument("--latency-us", metavar="T", help="at most so long from go to done, at the target clock")
    parser.add_argument(
        "--formats",
        metavar="F,…",
        help=f"number formats that may be chosen: {' '.join(FORMATS)} (default: that of --dtype and --quantize)",
    )
    parser.add_argument(
        "--factors", metavar="N,…", default="1,2,3,4,5,6,8", help="partition factors (default 1,2,3,4,5,6,8)"
    )
    parser.add_argument(
        "--synthesise", type=count, default=6, metavar="K", help="designs that may be synthesised (default 6)"
    )
    parser.add_argument("--jobs", type=count, metavar="J", help="processes at a time (default: one a processor)")


def run(parsed: argparse.Namespace) -> int:
    """Search, and print what was tried and the command that makes the answer."""
    from pathlib import Path

    from torch2hw.explore.execution import here, processors
    from torch2hw.explore.grid import Job, names, values
    from torch2hw.explore.records import Records
    from torch2hw.explore.search import candidates, search
    from torch2hw.frontend.model_file import check_exists
    from torch2hw.progress import Progress

    goal = _goal(parsed)
    base = options_of(parsed)
    if base.schedule != "static":
        raise UsageError("search: unsupported with --schedule sequential", fix="leave it out")
    formats = _formats(parsed)
    factors = values("partition", parsed.factors)
    check_exists(parsed.spec)
    job = Job(names([parsed.spec])[0], parsed.spec, str(Path.cwd()), base, parsed.model, tuple(parsed.input))
    tried = candidates(job, factors, formats)
    with Progress(parsed.quiet) as progress:
        best = search(
            tried,
            goal,
            here(parsed.jobs or processors()),
            Records(None),
            most=parsed.synthesise,
            tell=progress.step,
            counted=lambda done, total: progress.part(done, total, "designs"),
        )
    command = _command(parsed, best)
    if parsed.json:
        told = {"goal": str(goal), "command": command, "best": best.to_json()}
        print(json.dumps({**told, "tried": [each.to_json() for each in tried]}, indent=2))
    elif not parsed.quiet:
        print(_table(tried))
        print(f"goal: {goal}\n{best.words}: {best.verdict}")
        print(command)
    return 0


def _goal(parsed: argparse.Namespace) -> Goal:
    from torch2hw.explore.goal import Goal, part_budget

    budget = {} if parsed.part is None else part_budget(parsed.part)
    for option, name in (("lut", "lut"), ("dsp", "dsp"), ("bram", "bram36")):
        given = getattr(parsed, option)
        if given is not None:
            budget[name] = min(budget.get(name, float("inf")), _amount(f"--{option}", given, zero=True))
    if not budget:
        raise UsageError("search: no budget", fix="give --lut, --dsp, --bram, or --part xcu50")
    fps = None if parsed.fps is None else _amount("--fps", parsed.fps)
    latency = None if parsed.latency_us is None else _amount("--latency-us", parsed.latency_us)
    return Goal(budget, latency, fps)


def _amount(option: str, text: str, zero: bool = False) -> float:
    value = number(text, float)
    if not isinstance(value, float) or not (0 if zero else 1e-12) <= value < float("inf"):
        raise UsageError(f"{option} {text}: not a number {'of 0 or more' if zero else 'above 0'}", fix="write digits")
    return int(value) if value == int(value) else value


def _formats(parsed: argparse.Namespace) -> list[str]:
    if parsed.formats is None:
        return ["int8" if parsed.quantize else parsed.dtype]
    found = list(dict.fromkeys(word.strip() for word in parsed.formats.split(",")))
    for word in found:
        if word not in FORMATS:
            raise UsageError(f"--formats {word}: unknown", fix=f"the formats are {', '.join(FORMATS)}")
    if parsed.quantize or parsed.dtype != "f32":
        raise UsageError("--formats with --dtype or --quantize", fix="leave one of them out")
    return found


def _command(parsed: argparse.Namespace, best: Candidate) -> str:
    """The command line that compiles the answer."""
    import shlex

    from torch2hw.frontend.load_model import top_name

    kept = [word for name in ("model", "top", "subnormals", "clock_ns", "interface") for word in _given(parsed, name)]
    kept += [word for text in parsed.input for word in ("--input", text)]
    output = f"{parsed.top or top_name(best.job.name)}.sv"
    return shlex.join(["torch2hw", parsed.spec, *best.words.split(), *kept, "-o", output])


def _given(parsed: argparse.Namespace, name: str) -> list[str]:
    value = getattr(parsed, name)
    defaults = {"subnormals": "flush", "clock_ns": "3.33", "interface": "mem"}
    return [] if value is None or value == defaults.get(name) else [f"--{name.replace('_', '-')}", str(value)]


def _table(tried: list[Candidate]) -> str:
    head = ("options", "cycles", "LUT est.", "DSP", "BRAM36", "LUT", "DSP", "BRAM36", "")
    rows: list[tuple[str, ...]] = [head]
    for each in tried:
        told = [each.predicted.get(name) for name in ("cycles", "lut", "dsp", "bram36")]
        told += [each.measured.get(name) for name in ("lut", "dsp", "bram36")]
        rows.append((each.words, *("" if value is None else f"{value:,g}" if isinstance(value, float) else f"{value:,}"
                                   for value in told), each.verdict))  # fmt: skip
    widths = [max(len(row[k]) for row in rows) for k in range(len(head) - 1)]
    lines = []
    for name, *figures, verdict in rows:
        cells = "  ".join(text.rjust(width) for text, width in zip(figures, widths[1:], strict=True))
        lines.append(f"{name.ljust(widths[0])}  {cells}  {verdict}".rstrip())
    return "\n".join(lines)
