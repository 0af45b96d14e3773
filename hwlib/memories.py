"""Storage: a delay line, a read-only memory and one-read one-write memories, each as `hw.module` text.

Addresses have max(1, clog2(depth)) bits. Reads take one cycle (registered output); reading the cell that is being
written gives its old contents. Nothing is reset; contents other than a rom's and a state's start unspecified. Beyond
`depth`, reads are unspecified, and writes change no cell within it.

What is longer than 1024 words is stored in the pieces of `block_plan`, each an array of its own, so that synthesis
finds the block RAMs that fit it. Where a read may take two cycles, a second register lies behind each piece, in front
of the multiplexer: the way out of a block RAM is slow, and block RAMs have this register inside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .block_plan import SHORTEST_WORDS, pieces
from .contents import Contents, Words, contents, reference, unsigned_type
from .emit_comb import initialised_memory
from .unit import Port

ULTRA = ', sv.attributes = [#sv.attribute<"ram_style" = "\\"ultra\\"">]'
ROM_CYCLES = 1  # from an address to its word
LONG_DELAY = 33  # cycles: from here on the stages are one register
SAMPLE_WORDS = 4096  # of a rom, compared before all of its words are


@dataclass(frozen=True)
class Memory:
    """A storage module; `definition()` is its hardware, whose references name what is in `contents`."""

    name: str
    inputs: tuple[Port, ...]
    output: Port
    latency_cycles: int
    text: str
    controls: tuple[Port, ...] = ()
    contents: Mapping[str, Contents] = field(default_factory=dict, compare=False, repr=False)

    def definition(self) -> str:
        """The module in CIRCT's dialects; the contents are references by name."""
        return self.text


def address_bits(depth: int) -> int:
    """The width of an address of a memory of `depth` words; at least 1."""
    return max(1, (depth - 1).bit_length())


def delay(width_bits: int, depth: int) -> Memory:
    """`in` is at `out` depth >= 1 cycles later (shift registers without reset, which synthesis makes SRLs of)."""
    assert width_bits >= 1 and depth >= 1
    w = width_bits
    name = f"delay_{w}x{depth}"
    header = f"hw.module @{name}(in %in: i{w}, in %clk: !seq.clock, out out: i{w})"
    lines, last = _stages(w, depth) if depth < LONG_DELAY else _one_register(w, depth)
    text = _module(header, lines, f"{last} : i{w}")
    return Memory(name, (Port("in", w),), Port("out", w), depth, text)


def _stages(w: int, depth: int) -> tuple[list[str], str]:
    """The lines of a chain of registers, and its last value."""
    values = ["%in", *(f"%stage{i}" for i in range(1, depth + 1))]
    return [
        f'{values[i]} = seq.compreg {values[i - 1]}, %clk {{sv.namehint = "stage{i}"}} : i{w}'
        for i in range(1, depth + 1)
    ], values[-1]


def _one_register(w: int, depth: int) -> tuple[list[str], str]:
    """The same as one register: its Verilog is short, and quickly simulated."""
    bits, kept = f"i{w * depth}", f"i{w * (depth - 1)}"
    return [
        f"%kept = comb.extract %stages from 0 : ({bits}) -> {kept}",
        f"%next = comb.concat %kept, %in : {kept}, i{w}",
        f'%stages = seq.compreg %next, %clk {{sv.namehint = "stages"}} : {bits}',
        f"%last = comb.extract %stages from {w * (depth - 1)} : ({bits}) -> i{w}",
    ], "%last"


def rom(
    name: str,
    width_bits: int,
    words: Sequence[int] | NDArray[np.generic],
    block: bool = False,
    cycles: int = ROM_CYCLES,
) -> Memory:
    """words[addr] one cycle after `addr`. Of what fills block RAMs, columns of bits that repeat are stored once.

    `block`: it is to be in block RAM, whatever synthesis would choose; only bits that change are stored there.
    `cycles`: what a read may take; the memory's latency is 2 where that is 2 or more and there are several pieces.
    """
    stored = contents(width_bits, words).words
    depth = stored.size
    bits = address_bits(depth)
    columns, places = _columns(stored, width_bits)
    changing = sum(place not in ("%low", "%high") for place in places)
    fewer = len(columns) < width_bits if block else len(columns) < changing and depth >= SHORTEST_WORDS
    gathers = bool(columns) and fewer
    w = len(columns) if gathers else width_bits
    stored = _gather(stored, columns) if gathers else stored
    # one word: the address bit must still select an existing cell
    stored = np.repeat(stored, 2) if depth == 1 else stored
    lines: list[str] = []
    held: dict[str, Contents] = {}
    base, sizes = 0, pieces(stored.size, len(columns))
    for number, size in enumerate(sizes):
        hint = "memory" if len(sizes) == 1 else f"memory{number}"
        lines += initialised_memory(f"%memory{number}", w, size, hint, reference(f"{name}.{hint}"), block)
        held[f"{name}.{hint}"] = Contents(w, stored[base : base + size])
        base += size
    late = _late(sizes, cycles)
    lines += _read("%addr", bits, w, sizes, "", late)
    word = "%word"
    if gathers:
        lines += ["%low = hw.constant false", "%high = hw.constant true"]
        lines += [f"%column{k} = comb.extract %word from {k} : (i{w}) -> i1" for k in range(w)]
        lines.append(f"%spread = comb.concat {', '.join(reversed(places))} : {', '.join(['i1'] * width_bits)}")
        word = "%spread"
    header = f"hw.module @{name}(in %addr: i{bits}, in %clk: !seq.clock, out out: i{width_bits})"
    text = _module(header, lines, f"{word} : i{width_bits}")
    return Memory(name, (Port("addr", bits),), Port("out", width_bits), ROM_CYCLES + late, text, contents=held)


def ram(width_bits: int, depth: int, read_enable: bool = False, ultra: bool = False, cycles: int = 1) -> Memory:
    """`out` is the cell at read_addr one cycle later; write_en stores write_data at write_addr.

    With `read_enable` there is a port read_en, and `out` holds while it is low. `ultra`: it is to be in UltraRAM.
    `cycles`: what a read may take, as for `rom`; a memory with `read_enable` takes one.
    """
    late = _late(_sizes(depth, width_bits, ultra), cycles, read_enable)
    name = f"ram_{width_bits}x{depth}{'e' if read_enable else ''}{'_late' if late else ''}{'_ultra' if ultra else ''}"
    return _ram(name, width_bits, depth, read_enable, None, ultra, cycles)


def state_ram(
    name: str,
    width_bits: int,
    words: Sequence[int] | NDArray[np.generic],
    read_enable: bool = False,
    cycles: int = 1,
) -> Memory:
    """A `ram` that holds these words at first."""
    stored = contents(width_bits, words).words
    return _ram(name, width_bits, stored.size, read_enable, stored, False, cycles)


def _sizes(depth: int, width_bits: int, ultra: bool) -> tuple[int, ...]:
    """Of the pieces of a memory that is written."""
    return (depth,) if ultra else pieces(max(2, depth), width_bits)


def _late(sizes: Sequence[int], cycles: int, read_enable: bool = False) -> int:
    """How many registers there are behind each piece but for its own."""
    return int(len(sizes) > 1 and cycles > 1 and not read_enable)


def _ram(
    name: str, width_bits: int, depth: int, read_enable: bool, words: Words | None, ultra: bool, cycles: int
) -> Memory:
    """A memory with the first contents `words`, if there are any. Then there is a port reset, under which nothing is
    written: what drives write_en may be in any state before the first reset. The variable is written in `always`, as
    SystemVerilog lets no other process drive one of an `always_ff`."""
    w, bits = width_bits, address_bits(depth)
    enable = (Port("read_en", 1),) if read_enable else ()
    inputs = (Port("read_addr", bits), *enable, Port("write_addr", bits), Port("write_en", 1), Port("write_data", w))
    ports = ", ".join(f"in %{port.name}: i{port.width_bits}" for port in inputs)
    sizes = _sizes(depth, w, ultra)
    late = _late(sizes, cycles, read_enable)
    style = ULTRA if ultra else ""
    lines = ["%edge = seq.from_clock %clk"]
    held: dict[str, Contents] = {}
    process = "sv.alwaysff(posedge %edge)" if words is None else "sv.always posedge %edge"
    for number, size in enumerate(sizes):
        kind = f"!hw.inout<uarray<{size}xi{w}>>"
        hint = "memory" if len(sizes) == 1 else f"memory{number}"
        if words is None:
            lines.append(f'%memory{number} = sv.reg {{hw.verilogName = "{hint}"{style}}} : {kind}')
        else:
            lines += initialised_memory(f"%memory{number}", w, size, hint, reference(f"{name}.{hint}"))
            part = words[sum(sizes[:number]) : sum(sizes[: number + 1])]
            held[f"{name}.{hint}"] = Contents(w, np.pad(part, (0, size - part.size)))
        here, enabled = _within("%write_addr", bits, sizes, number), "%write_en" if words is None else "%writes"
        if here:
            lines += [*here, f"%write{number} = comb.and {enabled}, %write_addr_in{number} : i1"]
            enabled = f"%write{number}"
        address, cut = _offset("%write_addr", bits, size, number)
        lines += [
            *cut,
            f"%target{number} = sv.array_index_inout %memory{number}[{address}] : {kind}, i{address_bits(size)}",
            f"{process} {{ sv.if {enabled} {{ sv.passign %target{number}, %write_data : i{w} }} }}",
        ]
    lines += _read("%read_addr", bits, w, sizes, "%read_en" if read_enable else "", late)
    kept = ""
    if words is not None:
        kept = ", in %reset: i1"
        lines[1:1] = [
            "%one = hw.constant true",
            "%runs = comb.xor %reset, %one : i1",
            "%writes = comb.and %write_en, %runs : i1",
        ]
    header = f"hw.module @{name}({ports}, in %clk: !seq.clock{kept}, out out: i{w})"
    return Memory(name, inputs, Port("out", w), 1 + late, _module(header, lines, f"%word : i{w}"), contents=held)


def changing_bits(words: NDArray[np.generic]) -> int:
    """The bits of unsigned words that are not the same in all of them."""
    return int(np.bitwise_or.reduce(words, None) ^ np.bitwise_and.reduce(words, None)).bit_count()


def _columns(words: Words, width_bits: int) -> tuple[list[int], list[str]]:
    """The bits that are stored: one of each kind of column that changes. And where each bit of a word comes from."""
    ones, zeros = int(np.bitwise_or.reduce(words)), ~int(np.bitwise_and.reduce(words))
    sample = words[:SAMPLE_WORDS]
    columns: list[int] = []
    alike: dict[bytes, list[int]] = {}  # by the bits of the sample, the columns with those: numbers in `columns`
    places = []
    for bit in range(width_bits):
        if not (ones & zeros) >> bit & 1:
            places.append("%high" if ones >> bit & 1 else "%low")
            continue
        candidates = alike.setdefault(_column(sample, bit).tobytes(), [])
        same = [k for k in candidates if np.array_equal(_column(words, columns[k]), _column(words, bit))]
        if not same:
            candidates.append(len(columns))
            same = [len(columns)]
            columns.append(bit)
        places.append(f"%column{same[0]}")
    return columns, places


def _column(words: Words, bit: int) -> NDArray[np.bool_]:
    column: NDArray[np.bool_] = (words & words.dtype.type(1 << bit)) != 0
    return column


def _gather(words: Words, columns: Sequence[int]) -> Words:
    """Words that have bit columns[k] of `words` as bit k."""
    gathered = np.zeros_like(words)
    start = 0
    while start < len(columns):  # columns that follow each other are moved together
        end = start + 1
        while end < len(columns) and columns[end] - columns[start] == end - start:
            end += 1
        low, mask = columns[start], (1 << (end - start)) - 1
        gathered |= (words >> words.dtype.type(low) & words.dtype.type(mask)) << words.dtype.type(start)
        start = end
    return gathered.astype(unsigned_type(len(columns)))


def _read(address: str, bits: int, w: int, sizes: tuple[int, ...], enable: str, late: int) -> list[str]:
    """Lines that define %word: a register behind each piece, one more with `late`, and a multiplexer steered by the
    number of the piece."""
    lines = []
    for number, size in enumerate(sizes):
        kind = f"!hw.inout<uarray<{size}xi{w}>>"
        place, cut = _offset(address, bits, size, number)
        lines += [
            *cut,
            f"%cell{number} = sv.array_index_inout %memory{number}[{place}] : {kind}, i{address_bits(size)}",
            f"%stored{number} = sv.read_inout %cell{number} : !hw.inout<i{w}>",
            *_registers("%word" if len(sizes) == 1 else f"%word{number}", f"%stored{number}", w, enable, late),
        ]
    if len(sizes) > 1:
        lines += _select(address, bits, w, sizes, enable, late)
    return lines


def _select(address: str, bits: int, w: int, sizes: tuple[int, ...], enable: str, late: int) -> list[str]:
    """Lines that define %word from %word0, %word1 … by the number of the piece that was read."""
    digits = (len(sizes) - 1).bit_length()
    lines = [f"%number{k} = hw.constant {_signed(k, digits)} : i{digits}" for k in range(len(sizes))]
    chosen = f"%number{len(sizes) - 1}"
    for number in reversed(range(len(sizes) - 1)):
        lines += _within(address, bits, sizes, number)
        lines.append(f"%upto{number} = comb.mux {address}_in{number}, %number{number}, {chosen} : i{digits}")
        chosen = f"%upto{number}"
    lines += _registers("%piece", chosen, digits, enable, late)
    words = [f"%word{number}" for number in range(len(sizes))]
    for digit in range(digits):
        lines.append(f"%digit{digit} = comb.extract %piece from {digit} : (i{digits}) -> i1")
        merged = []
        for k in range(0, len(words) - 1, 2):
            result = "%word" if len(words) == 2 else f"%merged{digit}_{k}"
            lines.append(f"{result} = comb.mux %digit{digit}, {words[k + 1]}, {words[k]} : i{w}")
            merged.append(result)
        words = merged + words[len(words) - len(words) % 2 :]
    return lines


def _within(address: str, bits: int, sizes: tuple[int, ...], number: int) -> list[str]:
    """Lines that define ADDRESS_inN: whether the address is in piece N. Each piece starts at a multiple of its size."""
    low = address_bits(sizes[number])
    if low >= bits:
        return []
    high, tag = bits - low, f"{address}_in{number}"
    expected = _signed(sum(sizes[:number]) >> low, high)
    return [
        f"{tag}_high = comb.extract {address} from {low} : (i{bits}) -> i{high}",
        f"{tag}_base = hw.constant {expected} : i{high}",
        f"{tag} = comb.icmp eq {tag}_high, {tag}_base : i{high}",
    ]


def _offset(address: str, bits: int, size: int, number: int) -> tuple[str, list[str]]:
    """The address within piece N, and the lines that define it."""
    low = address_bits(size)
    if low == bits:
        return address, []
    return f"{address}_at{number}", [f"{address}_at{number} = comb.extract {address} from 0 : (i{bits}) -> i{low}"]


def _registers(result: str, value: str, w: int, enable: str, late: int) -> list[str]:
    """Lines that define `result`: a register, and with `late` one before it."""
    if enable:
        return [f"{result} = seq.compreg.ce {value}, %clk, {enable} : i{w}"]
    first = f"{result}_first" if late else result
    lines = [f"{first} = seq.compreg {value}, %clk : i{w}"]
    return [*lines, f"{result} = seq.compreg {first}, %clk : i{w}"] if late else lines


def _signed(value: int, w: int) -> int:
    """`value` as MLIR prints a constant of w bits."""
    return value - (1 << w) if value >> (w - 1) else value


def _module(header: str, lines: Sequence[str], output: str) -> str:
    body = "\n  ".join([*lines, f"hw.output {output}"])
    return f"{header} {{\n  {body}\n}}\n"
