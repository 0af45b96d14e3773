"""PyTorch, its packages and the user's code, without what they print."""

from __future__ import annotations

import contextlib
import copy
import logging
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

Copied = TypeVar("Copied")


@contextlib.contextmanager
def kept_apart() -> Iterator[None]:
    """Around the user's code: what it prints is no result of ours, and a folder that it changes to is left again."""
    with contextlib.redirect_stdout(sys.stderr), contextlib.chdir(Path.cwd()):
        yield


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without the warnings of PyTorch and torchao, and what they print and log."""
    level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), kept_apart():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


def copied(model: Copied) -> Copied:
    """A deep copy of a model, without PyTorch's warnings about copies of exported programs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return copy.deepcopy(model)
