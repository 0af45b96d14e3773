"""The options of a compilation.

The command line and the Python interface both build `Options`. Every field is checked there, so no pass checks it
again. A wrong value is a `UsageError` that names the option as the command line spells it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from torch2hw.dialects.interface import DATA_BITS, MEMORY, Interface
from torch2hw.dialects.names import KEYWORDS, is_legal
from torch2hw.tools.errors import UsageError

DTYPES = ("f32", "bf16", "f16")
SUBNORMALS = ("flush", "keep")
SCHEDULES = ("static", "sequential")
BANKINGS = ("dimension", "naive")
CONTROLS = ("shared", "arms")
QUANTISATIONS = ("int8", "int8:per-tensor", "int4", "int4:per-tensor")
PORTS = ("float", "int8")
SUMS = ("float", "block")
INTERFACES = {"mem": None, "axis": 32, "axi": 64}
"""How a host reaches a design, with the default width of a beat."""
MAX_BANKS = 64


@dataclass(frozen=True)
class Options:
    """The common options of every subcommand.

    `partition`: cyclic factor N, 1 to 64; a compute kernel gets N² multiply-accumulate lanes. A factor larger than a
    dimension uses that dimension whole.
    `dtype`: the format of floating-point values in memory: inputs, outputs, weights, results between kernels.
    Products of two such numbers are exact, sums and functions are f32.
    `clock_ns`: the period that pipelining aims at, in nanoseconds.
    `subnormals`: `flush` treats subnormal operands and results as zero, as x86's FTZ|DAZ does; `keep` is IEEE 754.
    `top`: name of the top module; None takes the model file's stem.
    `schedule`: `static`, or `sequential`, the latency-insensitive flow of CIRCT's scf-to-calyx.
    `sequential_banking`: how that flow finds a bank: `dimension`, a constant in every arm, or `naive`, if/else chains.
    `sequential_control`: `shared`, one controller for the arms of a kernel, or `arms`, a controller for each.
    `float_lib`: `hardfloat:DIR`, the user's copy of HardFloat-1, whose units stand in for the library's; None: its own.
    `overlap`: kernels start as soon as their first operands exist, not when the kernel before has ended.
    `share_units`, `share_memories`: kernels share pipelined units, and buffers share memories.
    `fuse_loops`: kernels that hand rows to each other share their outermost loop, and memories hold a round's rows; the
    steps of a recurrence are rounds of one step's kernels.
    `fast_math`: a division by a constant is a product with its rounded reciprocal, up to 1 ulp off; integers computed
    from it may differ from PyTorch's.
    `quantize`: the model is quantised first: `int8`, or `int4`, weights of 4 bits and activations of 8; with
    `:per-tensor` a weight has one scale for all channels; None compiles it as it is.
    `calibrate`: a .npz file of inputs to watch the model on; None: the example inputs and random ones.
    `keep_float`: names of layers that stay in floats.
    `io`: what the ports of a quantised model hold: `float`, or `int8`, codes; None: codes where it is quantised here.
    `sums`: how lanes add to one sum: `float`, with a tree of adders, or `block`, in a dot product unit, rounded once.
    `interface`: `mem`, memories in the design; `axis`, a stream for each input and output; `axi`, a master that fetches
    inputs and writes outputs, with registers.
    `data_bits`: bits of a beat, 32, 64, 128, 256 or 512; None: 32 for `axis`, 64 for `axi`.
    `iterative_units`: divisions and square roots that are needed rarely take their time on small units.
    `keep_state`: what the model keeps in attributes and buffers stays in the design from run to run.
    `ultra_ram`: memories without first contents that fill them well are in UltraRAM, which UltraScale+ devices have.
    `paired_products`: two products of codes that share an operand use one multiplier of 27 by 18 bits.
    """

    partition: int = 1
    dtype: str = "f32"
    clock_ns: float = 3.33
    subnormals: str = "flush"
    top: str | None = None
    schedule: str = "static"
    sequential_banking: str = "dimension"
    sequential_control: str = "shared"
    overlap: bool = True
    float_lib: str | None = None
    share_units: bool = True
    share_memories: bool = True
    fuse_loops: bool = True
    iterative_units: bool = True
    paired_products: bool = True
    fast_math: bool = False
    quantize: str | None = None
    calibrate: str | None = None
    keep_float: tuple[str, ...] = ()
    io: str | None = None
    sums: str = "float"
    interface: str = "mem"
    data_bits: int | None = None
    keep_state: bool = False
    ultra_ram: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.partition, bool) or not isinstance(self.partition, int) or self.partition < 1:
            raise UsageError(
                f"--partition {self.partition!s}: not a whole number of 1 or more",
                why="it is the number of banks along each parallel dimension",
                fix="use --partition 1, 2, 4, …",
            )
        if self.partition > MAX_BANKS:
            lanes = MAX_BANKS**2
            raise UsageError(
                f"--partition {self.partition}: more than {MAX_BANKS}",
                why=f"{lanes:,} multiply-accumulate lanes take {2 * lanes:,} DSPs, and each is written out",
                fix=f"use --partition {MAX_BANKS} or less",
            )
        _one_of("--dtype", self.dtype, DTYPES)
        _one_of("--subnormals", self.subnormals, SUBNORMALS)
        _one_of("--schedule", self.schedule, SCHEDULES)
        for field in fields(self):
            if isinstance(field.default, bool) and not isinstance(getattr(self, field.name), bool):
                raise UsageError(
                    f"{field.name}={getattr(self, field.name)!r}: not a truth value", fix="use True or False"
                )
        object.__setattr__(self, "keep_float", tuple(self.keep_float))
        if self.quantize is not None:
            _one_of("--quantize", self.quantize, QUANTISATIONS)
            if self.dtype != "f32":
                raise UsageError(f"--dtype {self.dtype}: not with --quantize", fix="leave one of them out")
        elif self.calibrate is not None or self.keep_float:
            option = "--keep-float" if self.calibrate is None else "--calibrate"
            raise UsageError(f"{option}: not without --quantize", fix="add --quantize int8, or leave it out")
        if self.io is not None:
            _one_of("--io", self.io, PORTS)
        _one_of("--sums", self.sums, SUMS)
        if self.schedule == "sequential" and self.sums != "float":
            raise UsageError(
                "--sums block: not for the sequential schedule",
                why="it adds one product at a time",
                fix="leave one of the two out",
            )
        if self.float_lib is not None and self.subnormals != "keep":
            raise UsageError(
                f"--float-lib {self.float_lib}: not with --subnormals {self.subnormals}",
                why="HardFloat keeps subnormals",
                fix="add --subnormals keep",
            )
        if self.schedule == "sequential" and self.ultra_ram:
            raise UsageError(
                "--ultra-ram: not for the sequential schedule",
                why="its memories are read and written through one port",
                fix="leave one of the two out",
            )
        _one_of("--sequential-banking", self.sequential_banking, BANKINGS)
        _one_of("--sequential-control", self.sequential_control, CONTROLS)
        if self.schedule == "static" and (self.sequential_banking, self.sequential_control) != ("dimension", "shared"):
            raise UsageError(
                "--sequential-banking and --sequential-control: not for the static schedule",
                fix="add --schedule sequential, or leave them out",
            )
        if not (isinstance(self.clock_ns, int | float) and math.isfinite(self.clock_ns) and self.clock_ns > 0):
            raise UsageError(
                f"--clock-ns {self.clock_ns!s}: not a period in nanoseconds",
                fix="use a number above 0, such as --clock-ns 3.33 for 300 MHz",
            )
        self._check_interface()
        if self.keep_state:
            self._check_state()
        ports = {port.name for interface in (MEMORY, self.host) for port in interface.control_ports()}
        if self.top is not None and (not is_legal(self.top) or self.top in ports):
            raise UsageError(
                f"--top {self.top}: not a module name",
                why="it is a SystemVerilog keyword or the name of a port of every design"
                if self.top in KEYWORDS | ports
                else "a name has ASCII letters, digits and underscores, and does not begin with a digit",
                fix="choose another name",
            )

    def _check_state(self) -> None:
        for option, value, only in (
            ("--schedule", self.schedule, "static"),
            ("--interface", self.interface, "mem"),
            ("--dtype", self.dtype, "f32"),
            ("--quantize", self.quantize, None),
        ):
            if value != only:
                raise UsageError(f"--keep-state: unsupported with {option} {value}", fix="leave one of the two out")

    def _check_interface(self) -> None:
        _one_of("--interface", self.interface, tuple(INTERFACES))
        if self.interface == "mem":
            if self.data_bits is not None:
                raise UsageError(
                    f"--data-bits {self.data_bits}: not for --interface mem",
                    why="its ports have the width of an element",
                    fix="leave it out, or add --interface axis or axi",
                )
            return
        if self.data_bits is not None and self.data_bits not in DATA_BITS:
            widths = ", ".join(map(str, DATA_BITS[:-1]))
            raise UsageError(
                f"--data-bits {self.data_bits!s}: no width of a beat", fix=f"use {widths} or {DATA_BITS[-1]}"
            )
        if self.schedule != "static":
            raise UsageError(
                f"--interface {self.interface}: unsupported with --schedule {self.schedule}",
                why="its memories have one port, which the design uses itself during a run",
                fix="leave one of the two out",
            )

    @property
    def host(self) -> Interface:
        """The interface, with its width."""
        if self.interface == "mem":
            return MEMORY
        from torch2hw.dialects.bus_interface import BusInterface  # with it comes NumPy
        from torch2hw.dialects.stream_interface import StreamInterface

        made = StreamInterface if self.interface == "axis" else BusInterface
        return made(self.data_bits or INTERFACES[self.interface] or 0)

    @staticmethod
    def given(options: Mapping[str, Any]) -> Options:
        """The options of these names. UsageError names one that does not exist."""
        names = [field.name for field in fields(Options)]
        for name in options:
            if name not in names:
                raise UsageError(f"{name}: no such option", fix=f"the options are {', '.join(names)}")
        return Options(**options)

    @property
    def ports(self) -> str:
        """What the ports of a quantised model hold."""
        return self.io or ("float" if self.quantize is None else "int8")


def _one_of(option: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        known = "is the only choice" if len(choices) == 1 else "are the choices"
        raise UsageError(f"{option} {value}: unknown", fix=f"{' and '.join(choices)} {known}")
