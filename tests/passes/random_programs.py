"""Random affine programs over whole numbers, of the kinds that linalg brings, and how to run them.

Every floating-point value is a whole number below 2^24, so f32 arithmetic is exact in any order: a pass that changes
the order of a sum must still leave every bit as it was. Shapes are small and awkward (1, primes), views are stacked.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np

from torch2hw.analysis.reference import Reference
from torch2hw.dialects.loops import (
    Buffer,
    Carried,
    Constant,
    IndexValue,
    Kernel,
    Load,
    Loop,
    Operation,
    Stage,
    Statement,
    Store,
)
from torch2hw.dialects.program import Program
from torch2hw.dialects.quasi_affine import Index, Variable, constant, variable
from torch2hw.dialects.storage import INPUT, OUTPUT, RAM, ROM
from torch2hw.dialects.substitution import with_buffers
from torch2hw.lowering.linalg import tensor_views as views
from torch2hw.lowering.linalg.tensor_views import View
from torch2hw.sim.banked import pack, unpack

LIMIT = 1 << 22
SIZES = (1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 5, 5, 6, 7, 8, 11, 24)
MINUS_INFINITY, PLUS_INFINITY, ONE = 0xFF800000, 0x7F800000, 0x3F800000
MAPS = ("arith.addf", "arith.mulf", "arith.subf", "arith.maximumf", "relu", "double", "clamp")
Array = np.ndarray[Any, Any]


def f32_bits(value: int) -> int:
    return int(np.float32(value).view(np.uint32))


@dataclass(frozen=True)
class Tensor:
    """A view of whole numbers of magnitude at most `bound`."""

    view: View
    bound: int


@dataclass(frozen=True)
class Case:
    """A program and the range of each of its inputs."""

    program: Program
    ranges: tuple[tuple[int, int], ...]

    def inputs(self, seed: int) -> list[Array]:
        rng = np.random.default_rng(seed)
        return [
            rng.integers(low, high + 1, b.shape).astype(np.int64 if b.dtype == "i64" else np.float32)
            for b, (low, high) in zip(self.program.inputs, self.ranges, strict=True)
        ]


def values(program: Program, inputs: Sequence[Array]) -> list[Array]:
    """What a program computes on the CPU, in the tensors' own shapes."""
    packed = [pack(array, buffer.bank_factors) for array, buffer in zip(inputs, program.inputs, strict=True)]
    results = Reference(program.text()).run(packed)
    return [
        unpack(array, buffer.shape, buffer.bank_factors) for array, buffer in zip(results, program.outputs, strict=True)
    ]


def random_case(seed: int, kernels: int = 3, sizes: Sequence[int] = SIZES) -> Case:
    return _Generator(random.Random(seed), sizes).case(kernels)


class _Kernel:
    """Statements of one stage under construction."""

    def __init__(self, shape: Sequence[int]) -> None:
        self.variables = [Variable(f"i{d}", size) for d, size in enumerate(shape)]
        self.at = [variable(v) for v in self.variables]
        self.statements: list[Statement] = []

    def load(self, view: View, at: list[Index]) -> str:
        element = view.element(at)
        if element.buffer is None:
            return self.constant(element.otherwise_bits, view.dtype)
        name = f"v{len(self.statements)}"
        self.statements.append(
            Load(name, view.dtype, element.buffer, element.indices, element.guard, element.otherwise_bits)
        )
        return name

    def constant(self, bits: int, dtype: str = "f32") -> str:
        self.statements.append(Constant(f"c{len(self.statements)}", dtype, bits))
        return self.statements[-1].result

    def add(
        self, name: str, *operands: str, predicate: str | None = None, types: tuple[str, ...] = (), kind: str = "f32"
    ) -> str:
        result = f"v{len(self.statements)}"
        types = types or (kind,) * len(operands)
        self.statements.append(Operation(result, kind, name, operands, types, predicate))
        return result


class _Generator:
    def __init__(self, rng: random.Random, sizes: Sequence[int]) -> None:
        self.rng, self.sizes = rng, sizes
        self.inputs: list[Buffer] = []
        self.ranges: list[tuple[int, int]] = []
        self.kernels: list[Kernel] = []
        self.tensors: list[Tensor] = []
        self.count = 0

    def case(self, kernels: int) -> Case:
        for _ in range(self.rng.randint(1, 2)):
            self.input(tuple(self.size() for _ in range(self.rng.randint(1, 3))))
        kinds: list[Callable[[], None]] = [
            self.map,
            self.map,
            self.reduce,
            self.reduce,
            self.matmul,
            self.matmul,
            self.convolution,
            self.window,
            self.window,
            self.arg_max,
            self.gather,
            self.concatenate,
        ]
        while len(self.kernels) < kernels:
            self.rng.choice(kinds)()
        return self.finish()

    def finish(self) -> Case:
        """The last tensor and some others are outputs; what was not used stays as dead code."""
        made = [t.view.reshape_of for t in self.tensors if t.view.reshape_of and t.view.reshape_of.storage.is_scratch]
        chosen = {made[-1], *(b for b in made if self.rng.random() < 0.25)}
        outputs = {b: Buffer(f"y{k}", b.shape, b.dtype, OUTPUT) for k, b in enumerate(b for b in made if b in chosen)}
        kernels = tuple(with_buffers(kernel, outputs) for kernel in self.kernels)
        program = Program.of("random", tuple(self.inputs), tuple(outputs.values()), kernels)
        return Case(program, tuple(self.ranges))

    # -- tensors -------------------------------------------------------------------------------------------------------
    def size(self) -> int:
        return self.rng.choice(self.sizes)

    def input(self, shape: tuple[int, ...], dtype: str = "f32", low: int = -3, high: int = 3) -> View:
        buffer = Buffer(f"x{len(self.inputs)}", shape, dtype, INPUT)
        self.inputs.append(buffer)
        self.ranges.append((low, high))
        if dtype == "f32":
            self.tensors.append(Tensor(views.of_buffer(buffer), max(-low, high)))
        return views.of_buffer(buffer)

    def weights(self, shape: tuple[int, ...]) -> Tensor:
        data = np.array([self.rng.randint(-2, 2) for _ in range(prod(shape))], np.float32).reshape(shape)
        self.count += 1
        return Tensor(views.of_buffer(Buffer(f"w{self.count}", shape, "f32", ROM, data.view(np.uint32))), 2)

    def any_tensor(self) -> Tensor:
        found = self.rng.choice(self.tensors[-4:])
        if found.bound > LIMIT // 64:
            found = self.tensors[0]
        for _ in range(self.rng.randint(0, 2)):
            found = Tensor(self.changed(found.view), found.bound)
        return found if found.view.shape else Tensor(views.reshape(found.view, (1,)), found.bound)

    def changed(self, view: View) -> View:
        """A reshape, transposition, slice, reversal, padding or broadcast of a view."""
        rng, shape = self.rng, view.shape
        kind = rng.choice(["reshape", "transpose", "slice", "reverse", "pad", "broadcast"])
        if kind == "reshape":
            return views.reshape(view, self.factored(prod(shape)))
        if kind == "transpose":
            order = rng.sample(range(len(shape)), len(shape))
            return views.remap(
                view, tuple(shape[d] for d in order), lambda at: [at[order.index(d)] for d in range(len(order))]
            )
        if kind == "slice":
            strides = [rng.choice([1, 1, 2, 3]) for _ in shape]
            starts = [rng.randrange(size) for size in shape]
            sizes = tuple(-(-(size - start) // step) for size, start, step in zip(shape, starts, strides, strict=True))
            return views.remap(
                view, sizes, lambda at: [i * step + start for i, step, start in zip(at, strides, starts, strict=True)]
            )
        if kind == "reverse":
            return views.remap(view, shape, lambda at: [i * -1 + (size - 1) for i, size in zip(at, shape, strict=True)])
        if kind == "pad" and prod(shape) < 60:
            low, high = [[rng.choice([0, 0, 1, 2]) for _ in shape] for _ in range(2)]
            bits = f32_bits(rng.choice([0, 0, 1]))
            return (
                views.pad(view, low, tuple(a + s + b for a, s, b in zip(low, shape, high, strict=True)), bits) or view
            )
        if kind == "broadcast" and prod(shape) < 60 and len(shape) < 4:
            place, size = rng.randint(0, len(shape)), self.size()
            return views.remap(view, (*shape[:place], size, *shape[place:]), lambda at: at[:place] + at[place + 1 :])
        return view

    def factored(self, elements: int) -> tuple[int, ...]:
        """A random shape of so many elements."""
        shape = [elements]
        for _ in range(self.rng.randint(0, 2)):
            size = shape.pop()
            divisor = self.rng.choice([d for d in range(1, size + 1) if size % d == 0])
            shape += [divisor, size // divisor]
        return tuple(shape)

    def shaped(self, shape: tuple[int, ...]) -> Tensor:
        """Some tensor of exactly this shape: one that fits, or weights without some dimensions."""
        fitting = [t for t in self.tensors if prod(t.view.shape) == prod(shape) and t.bound <= 64]
        if fitting and self.rng.random() < 0.6:
            found = self.rng.choice(fitting)
            return Tensor(views.reshape(found.view, shape), found.bound)
        kept = [d for d in range(len(shape)) if self.rng.random() < 0.6]
        bias = self.weights(tuple(shape[d] for d in kept))
        return Tensor(views.remap(bias.view, shape, lambda at: [at[d] for d in kept]), bias.bound)

    # -- kernels
    def emit(
        self,
        kernel: _Kernel,
        result: str,
        parallel: int,
        bound: int,
        carried: tuple[Carried, ...] = (),
        dtype: str = "f32",
        macs: bool = False,
        target: tuple[Buffer, list[Index]] | None = None,
    ) -> None:
        """A kernel whose first `parallel` variables are the result's dimensions, the rest reduced by stage 0."""
        shape = tuple(v.extent for v in kernel.variables[:parallel])
        self.count += 1
        buffer, indices = target or (Buffer(f"t{self.count}", shape, dtype, RAM), kernel.at[:parallel])
        store = Store(buffer, tuple(indices), result)
        loops = [Loop(v) for v in kernel.variables[:parallel] if v.extent > 1]
        if carried:
            reduced = kernel.variables[parallel:]
            loops += [Loop(v, 0) for v in reduced if v.extent > 1] or [Loop(reduced[0], 0)]
        stages = (
            (Stage(carried, tuple(kernel.statements)), Stage((), (), (store,)))
            if carried
            else (Stage((), tuple(kernel.statements), (store,)),)
        )
        work = prod(v.extent for v in kernel.variables) if macs else 0
        self.kernels.append(Kernel(f"n{len(self.kernels)}", tuple(loops), stages, (), None, work))
        if dtype == "f32":
            self.tensors.append(Tensor(views.of_buffer(buffer), bound))

    def map(self, left: Tensor | None = None) -> None:
        steps = (
            [self.rng.choice(MAPS) for _ in range(self.rng.randint(1, 2))] if left is None else ["arith.addf", "relu"]
        )
        left = left or self.any_tensor()
        kernel = _Kernel(left.view.shape)
        result, bound = kernel.load(left.view, kernel.at), left.bound
        for kind in steps:
            if kind == "relu":
                zero = kernel.constant(0)
                above = kernel.add("arith.cmpf", result, zero, predicate="ugt", types=("f32", "f32"), kind="i1")
                result = kernel.add("arith.select", above, result, zero, types=("i1", "f32", "f32"))
            elif kind == "double":
                result, bound = kernel.add("arith.divf", result, kernel.constant(0x3F000000)), bound * 2
            elif kind == "quotient":  # by y·0 + 1
                right = kernel.load(self.shaped(left.view.shape).view, kernel.at)
                one = kernel.add(
                    "arith.addf", kernel.add("arith.mulf", right, kernel.constant(0)), kernel.constant(ONE)
                )
                result = kernel.add("arith.divf", result, one)
            elif kind == "root":  # of the square
                result = kernel.add("math.sqrt", kernel.add("arith.mulf", result, result), types=("f32",))
                if bound * bound > LIMIT:
                    return
            elif kind == "clamp":
                result, bound = kernel.add("arith.minimumf", result, kernel.constant(f32_bits(5))), max(bound, 5)
            else:
                right = self.shaped(left.view.shape)
                result = kernel.add(kind, result, kernel.load(right.view, kernel.at))
                bound = bound * right.bound if kind == "arith.mulf" else bound + right.bound
            if bound > LIMIT:
                return
        self.emit(kernel, result, len(kernel.variables), bound)

    def reduced(self, kernel: _Kernel, parallel: int, term: str, bound: int, kind: str, macs: bool = False) -> None:
        init = {"arith.addf": 0, "arith.maximumf": MINUS_INFINITY, "arith.minimumf": PLUS_INFINITY}[kind]
        if kind == "arith.addf":
            bound *= prod(v.extent for v in kernel.variables[parallel:])
            if bound + 3 > LIMIT:
                return
            if self.rng.random() < 0.2:
                init = f32_bits(3)
                bound += 3
        start = kernel.constant(init)
        following = kernel.add(kind, *self.rng.sample(["acc", term], 2))
        self.emit(kernel, following, parallel, bound, (Carried("acc", "f32", start, following),), macs=macs)
        if self.rng.random() < 0.5:  # a bias, an activation: what the fusing passes look for
            self.map(self.tensors[-1])

    def reduce(self) -> None:
        source = self.any_tensor()
        rank = len(source.view.shape)
        order = self.rng.sample(range(rank), rank)
        parallel = self.rng.randint(0, rank - 1)
        kernel = _Kernel([source.view.shape[d] for d in order])
        term = kernel.load(source.view, [kernel.at[order.index(d)] for d in range(rank)])
        self.reduced(
            kernel, parallel, term, source.bound, self.rng.choice(["arith.addf", "arith.maximumf", "arith.minimumf"])
        )

    def matmul(self) -> None:
        left = self.any_tensor()
        elements = prod(left.view.shape)
        inner = self.rng.choice(
            [d for d in range(1, elements + 1) if elements % d == 0 and elements // d <= 24] or [elements]
        )
        rows = views.reshape(left.view, (elements // inner, inner))
        columns = self.size()
        if inner * columns * (elements // inner) > 4000:
            return
        right = self.shaped((columns, inner))
        kernel = _Kernel((elements // inner, columns, inner))
        i, j, k = kernel.at
        product = kernel.add("arith.mulf", kernel.load(rows, [i, k]), kernel.load(right.view, [j, k]))
        self.reduced(kernel, 2, product, left.bound * right.bound, "arith.addf", macs=True)

    def sliding(self) -> tuple[Tensor, list[int], list[int], list[int], list[int]] | None:
        """A tensor of channels × places, with window sizes, strides, dilations and result sizes."""
        source = self.any_tensor()
        if len(source.view.shape) < 2:
            return None
        channels, *places = source.view.shape
        sizes = [self.rng.choice([1, 2, 3]) for _ in places]
        strides = [self.rng.choice([1, 1, 2, 3]) for _ in places]
        dilations = [self.rng.choice([1, 1, 2]) for _ in places]
        results = [
            (place - (size - 1) * dilation - 1) // stride + 1
            for place, size, stride, dilation in zip(places, sizes, strides, dilations, strict=True)
        ]
        if min(results) < 1 or channels * prod(results) * prod(sizes) > 1500:
            return None
        return source, sizes, strides, dilations, results

    def convolution(self) -> None:
        found = self.sliding()
        if found is None:
            return
        source, sizes, strides, dilations, results = found
        channels, features = source.view.shape[0], self.rng.choice([1, 2, 3, 5])
        weights = self.weights((features, channels, *sizes))
        kernel = _Kernel((features, *results, channels, *sizes))
        o, rest = kernel.at[0], kernel.at[1:]
        where, c, window = rest[: len(results)], rest[len(results)], rest[len(results) + 1 :]
        place = [p * s + w * d for p, s, w, d in zip(where, strides, window, dilations, strict=True)]
        product = kernel.add(
            "arith.mulf", kernel.load(source.view, [c, *place]), kernel.load(weights.view, [o, c, *window])
        )
        self.reduced(kernel, 1 + len(results), product, source.bound * 2, "arith.addf", macs=True)

    def window(self) -> None:
        found = self.sliding()
        if found is None:
            return
        source, sizes, strides, dilations, results = found
        if self.rng.random() < 0.5:
            strides, dilations = sizes, [1] * len(sizes)  # no overlap: what fuse-windows looks for
            results = [place // size for place, size in zip(source.view.shape[1:], sizes, strict=True)]
            if min(results) < 1:
                return
        kernel = _Kernel((source.view.shape[0], *results, *sizes))
        where, inside = kernel.at[1 : 1 + len(results)], kernel.at[1 + len(results) :]
        place = [p * s + w * d for p, s, w, d in zip(where, strides, inside, dilations, strict=True)]
        term = kernel.load(source.view, [kernel.at[0], *place])
        self.reduced(kernel, 1 + len(results), term, source.bound, self.rng.choice(["arith.maximumf", "arith.addf"]))

    def arg_max(self) -> None:
        source = self.any_tensor()
        kernel = _Kernel(source.view.shape)
        term = kernel.load(source.view, kernel.at)
        kernel.statements.append(IndexValue("n_at", kernel.at[-1]))
        position = kernel.add("arith.index_cast", "n_at", types=("index",), kind="i64")
        best = kernel.add("arith.cmpf", term, "acc", predicate="ogt", types=("f32", "f32"), kind="i1")
        following = kernel.add("arith.select", best, term, "acc", types=("i1", "f32", "f32"))
        where = kernel.add("arith.select", best, position, "acc_at", types=("i1", "i64", "i64"), kind="i64")
        carried = (
            Carried("acc", "f32", kernel.constant(MINUS_INFINITY), following),
            Carried("acc_at", "i64", kernel.constant(0, "i64"), where),
        )
        self.emit(kernel, following, len(kernel.variables) - 1, source.bound, carried)
        last = self.kernels[-1]
        second = Buffer(f"t{self.count}_at", tuple(v.extent for v in kernel.variables[:-1]), "i64", RAM)
        store = Store(second, tuple(kernel.at[:-1]), where)
        self.kernels[-1] = replace(
            last, stages=(last.stages[0], replace(last.stages[1], stores=(*last.stages[1].stores, store)))
        )
        if self.rng.random() < 0.5:  # as an embedding of the place
            table = self.weights((kernel.variables[-1].extent, self.size()))
            self.looked_up(views.of_buffer(second), table)

    def gather(self) -> None:
        table = self.rng.choice([self.weights((self.size(), self.size())), self.any_tensor()])
        shape = tuple(self.size() for _ in range(self.rng.randint(1, 2)))
        self.looked_up(self.input(shape, "i64", 0, table.view.shape[0] - 1), table)

    def looked_up(self, places: View, table: Tensor) -> None:
        kernel = _Kernel((*places.shape, *table.view.shape[1:]))
        read = kernel.load(places, kernel.at[: len(places.shape)])
        row = kernel.add("arith.index_cast", read, types=("i64",), kind="index")
        size = table.view.shape[0]
        at = [variable(Variable(row, size)) if size > 1 else constant(0), *kernel.at[len(places.shape) :]]
        element = table.view.element(at)
        if element.guard or prod(v.extent for v in kernel.variables) > 400:
            return
        self.emit(kernel, kernel.load(table.view, at), len(kernel.variables), table.bound)

    def concatenate(self) -> None:
        parts = [self.any_tensor() for _ in range(2)]
        shape = parts[0].view.shape
        parts[1] = Tensor(views.reshape(parts[1].view, (prod(parts[1].view.shape),)), parts[1].bound)
        parts[0] = Tensor(views.reshape(parts[0].view, (prod(shape),)), parts[0].bound)
        self.count += 1
        buffer = Buffer(f"t{self.count}", (sum(p.view.shape[0] for p in parts),), "f32", RAM)
        start = 0
        for part in parts:
            kernel = _Kernel(part.view.shape)
            self.emit(
                kernel,
                kernel.load(part.view, kernel.at),
                1,
                max(p.bound for p in parts),
                target=(buffer, [kernel.at[0] + start]),
            )
            start += part.view.shape[0]
            self.tensors.pop()
        self.tensors.append(Tensor(views.of_buffer(buffer), max(p.bound for p in parts)))


def joined(cases: Sequence[Case]) -> Case:
    """The programs one after the other as one: a single design to simulate."""
    parts = [_prefixed(case.program, f"p{number}_") for number, case in enumerate(cases)]
    program = Program.of(
        "random",
        tuple(b for part in parts for b in part.inputs),
        tuple(b for part in parts for b in part.outputs),
        tuple(kernel for part in parts for kernel in part.kernels),
    )
    return Case(program, tuple(limits for case in cases for limits in case.ranges))


def _prefixed(program: Program, prefix: str) -> Program:
    renamed = {b: replace(b, name=prefix + b.name) for b in program.buffers()}
    kernels = [replace(with_buffers(kernel, renamed), name=prefix + kernel.name) for kernel in program.kernels]
    inputs, outputs = ([renamed[b] for b in ports] for ports in (program.inputs, program.outputs))
    return Program.of(program.name, inputs, outputs, kernels)
