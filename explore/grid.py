"""The points of a sweep: models × partition × format × clock × schedule × interface.

An axis is an option with several values, separated by commas: `--partition 1,2,4`. A value that is wrong by itself is
refused. Combinations that do not go together (`--dtype bf16` with `--quantize int8`) are left out, with the reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from itertools import product
from pathlib import Path
from typing import Any

from torch2hw.compiler.options import Options
from torch2hw.dialects.names import escaped, readable
from torch2hw.tools.errors import UsageError

AXES = {"partition": int, "dtype": str, "quantize": str, "clock_ns": float, "schedule": str, "interface": str}
"""The options that may have several values, with the type of a value."""
OF_SCHEDULE = {"static": ("sequential_banking", "sequential_control"), "sequential": ("sums",)}
"""Options that a schedule does not have: the grid leaves them at their defaults there, beside the other one."""
NONE = "none"


@dataclass(frozen=True)
class Job:
    """One point to measure. `spec`, `model` and `inputs` are the command line's, as seen from the folder `cwd`;
    `simulate`: the
    design is run and compared; `synthesis`, `parts`, `fmax`: with resources, those
    of each kernel, and the clock on ECP5."""

    name: str
    spec: str
    cwd: str
    options: Options
    model: str | None = None
    inputs: tuple[str, ...] = ()
    simulate: bool = True
    synthesis: bool = True
    parts: bool = False
    fmax: bool = False

    def to_json(self) -> dict[str, Any]:
        """For a worker."""
        return asdict(self)

    @staticmethod
    def of_json(fields: Mapping[str, Any]) -> Job:
        """What `to_json` gave."""
        options = Options(**fields["options"])
        return Job(**{**fields, "options": options, "inputs": tuple(fields["inputs"])})

    @property
    def axes(self) -> dict[str, Any]:
        """The columns that tell this point from the others."""
        options = self.options
        told = {axis: getattr(options, axis) for axis in AXES}
        return {"model": self.name} | {axis: value for axis, value in told.items() if value is not None}


@dataclass(frozen=True)
class Grid:
    """`jobs` in the order of the report; `left_out`: options that do not go together, and why."""

    jobs: tuple[Job, ...]
    left_out: tuple[tuple[str, str], ...] = ()


def values(axis: str, text: str) -> list[Any]:
    """The values of an axis, each once, numbers in order. Raises UsageError for one that no option has."""
    option = f"--{axis.replace('_', '-')}"
    found: dict[Any, None] = {}
    for word in (word.strip() for word in text.split(",")):
        if axis == "quantize" and word == NONE:
            found[None] = None
            continue
        try:
            value = AXES[axis](word)
        except ValueError:
            value = None
        if value is None or word == "":
            kind = "whole numbers of 1 or more" if axis == "partition" else "numbers, or words, between commas"
            raise UsageError(f"{option} {text}: not {kind}", fix=f"write {option} {EXAMPLES[axis]}")
        Options(**{axis: value})
        found[value] = None
    return sorted(found) if AXES[axis] is not str else list(found)


EXAMPLES = {
    "partition": "1,2,4",
    "dtype": "f32,bf16",
    "quantize": "none,int8",
    "clock_ns": "3.33,5",
    "schedule": "static,sequential",
    "interface": "mem,axis",
}


def grid(specs: Sequence[str], axes: Mapping[str, Sequence[Any]], others: Mapping[str, Any], **job: Any) -> Grid:
    """Every model at every combination of `axes` that Options takes; `others` are the fields that have one value, `job`
    those of `Job`. Raises UsageError where no combination goes together."""
    options: list[Options] = []
    left_out: list[tuple[str, str]] = []
    first: UsageError | None = None
    for chosen in product(*axes.values()):
        given = dict(zip(axes, chosen, strict=True))
        try:
            options.append(_options(given, others, axes))
        except UsageError as refused:
            first = first or refused
            words = " ".join(
                f"--{axis.replace('_', '-')} {value}" for axis, value in given.items() if value is not None
            )
            left_out.append((words, refused.what))
    if not options:
        assert first is not None
        raise first
    cwd = str(Path.cwd())
    jobs = [
        Job(name, spec, cwd, each, **job)
        for name, spec in zip(names(specs), specs, strict=True)
        for each in dict.fromkeys(options)
    ]
    return Grid(tuple(jobs), tuple(left_out))


def _options(given: Mapping[str, Any], others: Mapping[str, Any], axes: Mapping[str, Sequence[Any]]) -> Options:
    fields_given = {**others, **given}
    defaults = {field.name: field.default for field in fields(Options)}
    if len(axes["schedule"]) > 1:
        fields_given |= {name: defaults[name] for name in OF_SCHEDULE[given["schedule"]]}
    if len(axes["interface"]) > 1 and given["interface"] == "mem":
        fields_given["data_bits"] = None
    if len(axes["quantize"]) > 1 and given["quantize"] is None:
        fields_given |= {name: defaults[name] for name in ("calibrate", "keep_float", "io")}
    return Options(**fields_given)


def names(specs: Sequence[str]) -> list[str]:
    """A name for every model: its stem; equal ones are numbered."""
    stems = [readable(escaped(_stem(spec))) for spec in specs]
    return [stem if stems.count(stem) == 1 else f"{stem} {k}" for k, stem in enumerate(stems, 1)]


def _stem(spec: str) -> str:
    """Of a file's name; the attribute of `package.module:attribute`."""
    attribute = spec.rpartition(":")[2]
    return Path(spec).stem if Path(spec).exists() or attribute == spec else attribute


def with_partition(job: Job, partition: int) -> Job:
    """The same at another factor."""
    return replace(job, options=replace(job.options, partition=partition))
