"""What a pass may ask of the compilation that runs it.

The compiler's `Context` (compiler/driver.py) is one; passes stand below the compiler and do not import it.
"""

from __future__ import annotations

from typing import Protocol

from torch2hw.hwlib import Library


class PassOptions(Protocol):
    """The options that passes read; compiler/options.py says what each means."""

    @property
    def partition(self) -> int:
        """N, from 1 on: N² multiply-accumulate lanes in a kernel."""

    @property
    def dtype(self) -> str:
        """The format of floats in memory: `f32`, `bf16` or `f16`."""

    @property
    def sums(self) -> str:
        """How lanes add to one sum: `float` or `block`."""

    @property
    def sequential_control(self) -> str:
        """`shared` or `arms`."""

    @property
    def overlap(self) -> bool:
        """Whether kernels may run at the same time."""

    @property
    def share_units(self) -> bool:
        """Whether kernels may share units."""

    @property
    def share_memories(self) -> bool:
        """Whether buffers may share memories."""

    @property
    def fuse_loops(self) -> bool:
        """Whether kernels may become rounds."""

    @property
    def iterative_units(self) -> bool:
        """Whether operations may get iterative units."""

    @property
    def paired_products(self) -> bool:
        """Whether two products of codes may share a multiplier."""

    @property
    def fast_math(self) -> bool:
        """Whether results may differ from PyTorch's by more than the order of sums makes them."""


class PassContext(Protocol):
    """The options, the hardware library made for them, and the name of the top module."""

    @property
    def options(self) -> PassOptions:
        """What the user asked for."""

    @property
    def library(self) -> Library:
        """Units for the clock period and the policy for subnormals."""

    @property
    def top(self) -> str:
        """The name of the top module."""
