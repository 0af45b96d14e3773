"""How often the largest score of a row is the one that a label names, in hardware and in PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from torch2hw.analysis.stored_arrays import Array, to_float64
from torch2hw.tools.errors import UsageError


@dataclass(frozen=True)
class Top1:
    """Of `rows`: how often hardware and PyTorch name the same class, and how often each names the label's, if there
    are labels."""

    rows: int
    agreement: int
    hardware: int | None
    torch: int | None

    def to_json(self) -> dict[str, Any]:
        """The object of `simulate --json`."""
        found: dict[str, Any] = {"rows": self.rows, "agreement": self.agreement}
        return found if self.hardware is None else found | {"hardware": self.hardware, "torch": self.torch}

    def __str__(self) -> str:
        labels = "" if self.hardware is None else f"; right: {self.hardware:,} in hardware, {self.torch:,} in PyTorch"
        return f"top-1 as PyTorch's: {self.agreement:,} of {self.rows:,} rows{labels}"


def top1(hardware: Sequence[Array], torch: Sequence[Array], dtype: str, labels: Any) -> Top1:
    """Compare scores, an array for each run with the classes along its last dimension; `labels` has a class for each
    row in order, or is None. Raises UsageError for too few labels."""
    ours, theirs = (np.concatenate([_classes(each, dtype) for each in side]) for side in (hardware, torch))
    agreement = int((ours == theirs).sum())
    if labels is None:
        return Top1(len(ours), agreement, None, None)
    wanted = np.asarray(labels).reshape(-1)
    if len(wanted) < len(ours):
        raise UsageError(
            f"--labels: {len(wanted):,} labels for {len(ours):,} rows of scores",
            fix="give a class for each row of the first output",
        )
    wanted = wanted[: len(ours)]
    return Top1(len(ours), agreement, int((ours == wanted).sum()), int((theirs == wanted).sum()))


def _classes(scores: Array, dtype: str) -> Any:
    values = to_float64(scores, dtype)
    return values.reshape(-1, values.shape[-1] if values.ndim else 1).argmax(-1)
