"""Loop nests over buffers: the kernels of the affine and scheduled levels as typed Python data (`program.py` has the
control around them, `affine_text.py` prints them as MLIR).

A `Kernel` is one perfect nest of counted loops around a list of stages. Its loops are in execution order, outermost
first; each is parallel (`reduced_by` None) or reduced by the stage with that number. In every iteration inside
`domain`:

- stage 0 runs;
- stage k runs where every loop reduced by a stage below k is in its last iteration;
- a carried value of stage k equals `init` in the first iteration of the loops that stage k reduces over, and otherwise
  the value that `next` had the last time stage k ran with the same indices of the parallel loops and later stages'
  loops. After the last iteration `next` is the reduction's result: later stages use it by its name.

A matrix product with bias and ReLU is stage 0 (reduces k; acc = bias, next = acc + x·w) and stage 1 (ReLU, store).
Interchanging a parallel loop into a reduction only moves it in `loops`; the order of every reduction stays as written.

Values are named strings, unique in their kernel. A type is a name of `number_types`: f32, i64, i1, index, …; a value's
is MLIR's own, so that the elements of a buffer of u8 are values of type i8 (`Buffer.value_type`).
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from torch2hw.dialects.names import readable
from torch2hw.dialects.number_types import number_type
from torch2hw.dialects.quasi_affine import Index, Variable
from torch2hw.dialects.schedule import Schedule
from torch2hw.dialects.storage import Storage
from torch2hw.hwlib.shapes import SHAPES


@dataclass(frozen=True)
class Source:
    """A line of the user's Python. `file` is a short name (see `frontend.locations`); lines count from 1."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{readable(self.file)}:{self.line}"


@dataclass(frozen=True)
class PortCodes:
    """What the integers of a port stand for: (code - `zero_point`) · `scale`."""

    scale: float
    zero_point: int


@dataclass(frozen=True, eq=False)
class Buffer:
    """A tensor in memory; `storage` says where it is, and who reads and writes it.

    `data`, of storage with contents, has the buffer's shape and holds the raw bits as unsigned integers of the type's
    width, so NaNs survive exactly.
    `factors` (one for each dimension, or empty for none) partition the buffer cyclically: the element at index i is in
    the bank whose number is the row-major number of (i mod factor), at the row-major offset of (i div factor) within
    `bank_shape`. `codes` is what a port's integers stand for, if they are codes; `label` is the model's own name of a
    state (`0.weight`). No pass asks for either.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    storage: Storage
    data: NDArray[np.generic] | None = None
    source: Source | None = None
    factors: tuple[int, ...] = ()
    codes: PortCodes | None = None
    label: str = ""

    def __post_init__(self) -> None:
        assert (self.data is not None) == self.storage.has_contents, f"{self.name}: data do not fit {self.storage.name}"

    @property
    def constant(self) -> NDArray[np.generic] | None:
        """`data`, if they never change: None for state, which has first contents."""
        return self.data if self.storage.is_read_only else None

    @property
    def width_bits(self) -> int:
        """Bits of an element."""
        return number_type(self.dtype).bits

    @property
    def elements(self) -> int:
        """The number of elements, in all banks."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def value_type(self) -> str:
        """The type of the values that loads give and stores take."""
        return number_type(self.dtype).mlir

    @property
    def bank_factors(self) -> tuple[int, ...]:
        """The number of banks in each dimension; ones where the buffer is not partitioned."""
        return self.factors or (1,) * len(self.shape)

    @property
    def banks(self) -> int:
        """The number of banks, at least 1."""
        return int(np.prod(self.bank_factors, dtype=np.int64))

    @property
    def bank_shape(self) -> tuple[int, ...]:
        """The shape of one bank: ceil(size / factor) in each dimension."""
        return tuple(-(-size // factor) for size, factor in zip(self.shape, self.bank_factors, strict=True))

    @property
    def bank_elements(self) -> int:
        """The words of a bank, padding included."""
        return int(np.prod(self.bank_shape, dtype=np.int64))


@dataclass(frozen=True)
class Operation:
    """`result = name(operands)`: an arith or math operation on scalars. `callee` names its software model, if any.
    `iterative`: the digits that its unit makes in a cycle, if that takes operands only once in several cycles
    (`choose-units`); 0 of a pipelined unit."""

    result: str
    type: str
    name: str
    operands: tuple[str, ...]
    operand_types: tuple[str, ...]
    predicate: str | None = None
    callee: str | None = None
    source: Source | None = None
    iterative: int = 0

    @property
    def shape(self) -> str:
        """Of its unit, as the library names it."""
        return SHAPES[self.iterative]


@dataclass(frozen=True)
class Constant:
    """A scalar; `bits` is its bit pattern as an unsigned integer of the type's width."""

    result: str
    type: str
    bits: int


@dataclass(frozen=True)
class IndexValue:
    """The value of an index expression, as an integer of type `index`."""

    result: str
    index: Index
    type: str = "index"


@dataclass(frozen=True)
class Load:
    """`buffer[indices]` where every index of `guard` is ≥ 0; elsewhere the constant `otherwise_bits`, without a read. A
    variable of `indices` that is no loop variable is the value of that name (type index), computed at run time and
    inside the buffer."""

    result: str
    type: str
    buffer: Buffer
    indices: tuple[Index, ...]
    guard: tuple[Index, ...] = ()
    otherwise_bits: int = 0
    source: Source | None = None

    @property
    def place(self) -> tuple[Buffer, tuple[Index, ...], tuple[Index, ...], int]:
        """Loads of equal places have equal values, if no store is between them."""
        return self.buffer, self.indices, self.guard, self.otherwise_bits

    @property
    def variables(self) -> set[Variable]:
        """The variables of its indices and of its guard."""
        return {variable for index in (*self.indices, *self.guard) for variable in index.variables()}


@dataclass(frozen=True)
class Store:
    """Writes `value` where every index of `guard` is ≥ 0."""

    buffer: Buffer
    indices: tuple[Index, ...]
    value: str
    guard: tuple[Index, ...] = ()
    source: Source | None = None


Statement = Operation | Constant | IndexValue | Load


@dataclass(frozen=True)
class Carried:
    """A value carried by a stage's reduction: `name` is its value at the start of an iteration."""

    name: str
    type: str
    init: str
    next: str


@dataclass(frozen=True)
class Stage:
    """A part of a kernel's body. It sets its carried values, runs its statements in order, and then stores."""

    carried: tuple[Carried, ...] = ()
    statements: tuple[Statement, ...] = ()
    stores: tuple[Store, ...] = ()

    def in_order(self) -> tuple[list[Statement], list[Statement]]:
        """The statements that initial values depend on, and the other statements: carried values are defined between
        the two."""
        needed = {carried.init for carried in self.carried}
        for statement in reversed(self.statements):
            if statement.result in needed:
                needed |= operand_names(statement)
        return (
            [s for s in self.statements if s.result in needed],
            [s for s in self.statements if s.result not in needed],
        )


@dataclass(frozen=True)
class Loop:
    """`reduced_by` is the number of the stage that reduces over this loop, None for a parallel loop. `in_rounds`: the
    loop counts the rounds of the `Rounds` node around the kernel; it is then the outermost loop and parallel."""

    variable: Variable
    reduced_by: int | None = None
    in_rounds: bool = False

    @property
    def extent(self) -> int:
        """The number of values of its variable, from 0 on."""
        return self.variable.extent


@dataclass(frozen=True)
class Kernel:
    """A kernel. `macs` are the multiply-accumulates that it executes, in all rounds. At level scheduled it has a
    `schedule`, and `start_cycle` is relative to its parent's start."""

    name: str
    loops: tuple[Loop, ...]
    stages: tuple[Stage, ...]
    domain: tuple[Index, ...] = ()
    source: Source | None = None
    macs: int = 0
    lanes: int = 1
    schedule: Schedule | None = None
    start_cycle: int = 0

    @property
    def kernels(self) -> Iterator[Kernel]:
        """Itself: a leaf of the control tree."""
        yield self

    @property
    def plan(self) -> Schedule:
        """The schedule of a scheduled kernel."""
        assert self.schedule is not None, f"{self.name} has no schedule"
        return self.schedule

    @property
    def trip_count(self) -> int:
        """Iterations in all rounds together."""
        return int(np.prod([loop.extent for loop in self.loops], dtype=np.int64))

    @property
    def is_in_rounds(self) -> bool:
        """Whether its outermost loop is that of a `Rounds` node."""
        return bool(self.loops) and self.loops[0].in_rounds

    @property
    def rounds(self) -> int:
        """Rounds of the `Rounds` node around it; 1 outside one."""
        return self.loops[0].extent if self.is_in_rounds else 1

    @property
    def round_trips(self) -> int:
        """Iterations of one round."""
        return self.trip_count // self.rounds

    def statements(self) -> Iterator[Statement]:
        """The statements of all stages, in order."""
        for stage in self.stages:
            yield from stage.statements

    def stage_of(self, statement: Statement) -> int:
        """The number of the stage that it belongs to."""
        return next(number for number, stage in enumerate(self.stages) if statement in stage.statements)

    def loads(self) -> Iterator[Load]:
        """The loads of all stages, in order."""
        return (statement for statement in self.statements() if isinstance(statement, Load))

    def stores(self) -> Iterator[Store]:
        """The stores of all stages, in order; `Schedule.store_cycles` has this order."""
        for stage in self.stages:
            yield from stage.stores

    def needed_for(self, values: set[str]) -> set[str]:
        """The names of `values` and of all that they are computed from, in any iteration."""
        needed = set(values)
        size = -1
        while len(needed) != size:
            size = len(needed)
            for stage in self.stages:
                for statement in reversed(stage.statements):
                    if statement.result in needed:
                        needed |= operand_names(statement)
                for carried in stage.carried:
                    if carried.name in needed or carried.next in needed:
                        needed |= {carried.name, carried.init, carried.next}
        return needed

    @cached_property
    def touched(self) -> dict[Buffer, None]:
        """Every buffer that it loads from or stores to, once, in order of first access."""
        read = (load.buffer for load in self.loads())
        return dict.fromkeys((*read, *(store.buffer for store in self.stores())))

    def buffers(self) -> Set[Buffer]:
        """The buffers that it loads from or stores to."""
        return self.touched.keys()

    def reduction_loops(self, stage: int) -> list[Loop]:
        """The loops that a stage reduces over, outermost first."""
        return [loop for loop in self.loops if loop.reduced_by == stage]

    def parallel_loops(self) -> list[Loop]:
        """The loops that no stage reduces over, outermost first."""
        return [loop for loop in self.loops if loop.reduced_by is None]

    def independent_loops(self) -> list[Loop]:
        """The parallel loops within a round: their iterations may run in any order."""
        return [loop for loop in self.parallel_loops() if not loop.in_rounds]

    def state_loops(self, stage: int) -> list[Loop]:
        """The loops whose indices select among the values that `stage` carries at one time."""
        positions = [position for position, loop in enumerate(self.loops) if loop.reduced_by == stage]
        inner = self.loops[positions[0] :] if positions else ()
        return [loop for loop in inner if loop.reduced_by is None or loop.reduced_by > stage]


def operand_names(statement: Statement) -> set[str]:
    """Names of the values that a statement uses (loop variables among them)."""
    if isinstance(statement, Operation):
        return set(statement.operands)
    if isinstance(statement, IndexValue):
        return {v.name for v in statement.index.variables()}
    if isinstance(statement, Load):
        return {v.name for v in statement.variables}
    return set()
