"""The registers of `--interface axi`: an AXI4-Lite slave, and what the rest of the wrapper asks and tells.

port                 width  direction  of
clk, reset           1      input      the module
awaddr … rready             both       AXI4-Lite (dialects/bus_interface.py): a write is taken when both its halves are
                                       offered; an access takes two cycles
start                1      output     a run is wanted: until `fetched`, or for ever with auto_restart
address0 …           64     output     the address of each tensor
taken                1      input      high in one cycle: a run begins, its addresses are latched
fetched              1      input      high in one cycle: the inputs of that run are in the design
finished             1      input      high in one cycle: the last write response of a run is there
error                3      input      of the run that finishes: misaligned, read response, write response
idle                 1      input      no run is under way
read_error           1      input      high in the cycle of a read beat that has an error
write_error          1      input      high in the cycle of a write response that has an error
interrupt            1      output     an enabled interrupt is pending
"""

from __future__ import annotations

from torch2hw.dialects.bus_interface import ADDRESS_BITS, LITE, LITE_PREFIX
from torch2hw.dialects.bus_registers import CTRL, ERROR, GIE, IER, ISR, STATUS, VERSION, address_register
from torch2hw.lowering.hardware.hw_module import (
    CLOCK_AND_RESET,
    Module,
    ModulePort,
    body_of,
    entering,
    equals,
    joined,
    leaving,
    module,
    plus,
)
from torch2hw.lowering.hardware.hw_text import HwBody

WORD_BITS = 10  # of an address: the two lowest bits are ignored


def axi_registers(name: str, tensors: int) -> Module:
    """The module, for so many tensors."""
    ports = [*CLOCK_AND_RESET]
    ports += [ModulePort(p.name.removeprefix(f"{LITE_PREFIX}_"), p.width_bits, p.is_input) for p in LITE]
    ports += [leaving("start"), *(leaving(f"address{k}", ADDRESS_BITS) for k in range(tensors))]
    ports += [entering("taken"), entering("fetched"), entering("finished"), entering("error", 3), entering("idle")]
    ports += [entering("read_error"), entering("write_error"), leaving("interrupt")]
    body = body_of(ports)
    bvalid, rvalid = body.name("bvalid"), body.name("rvalid")
    awake = body.flag("awake", body.one)
    write = body.all_of("%awvalid", "%wvalid", awake, body.any_of(body.invert(bvalid), "%bready"))
    body.register(bvalid, body.any_of(write, body.all_of(bvalid, body.invert("%bready"))), 1)
    read = body.all_of("%arvalid", awake, body.any_of(body.invert(rvalid), "%rready"))
    body.register(rvalid, body.any_of(read, body.all_of(rvalid, body.invert("%rready"))), 1)
    files = _Registers(body, write, read)

    start, outputs = _control(files)
    for k in range(tensors):
        halves = [
            files.writable(f"address{k}_{half}", address_register(k) + at) for half, at in (("low", 0), ("high", 4))
        ]
        outputs[f"address{k}"] = joined(body, [(halves[1], 32), (halves[0], 32)])
    _status(files)
    rdata = body.register(body.name("rdata"), files.word(), 32, enable=read, reset="")
    okay = body.constant(0, 2)
    outputs |= {"awready": write, "wready": write, "bresp": okay, "bvalid": bvalid, "start": start}
    outputs |= {"arready": read, "rdata": rdata, "rresp": okay, "rvalid": rvalid}
    return module(name, ports, outputs, body)


class _Registers:
    """The words that can be read, and the conditions of accesses."""

    def __init__(self, body: HwBody, write: str, read: str) -> None:
        self.body, self.write, self.read = body, write, read
        self.words: dict[int, str] = {}

    def written(self, offset: int, byte: int) -> str:
        """Whether a byte of a register is written."""
        here = self._is("awaddr", offset)
        return self.body.all_of(self.write, here, self.body.extract("%wstrb", byte, 1, 4))

    def is_read(self, offset: int) -> str:
        """Whether a register is read."""
        return self.body.all_of(self.read, self._is("araddr", offset))

    def _is(self, port: str, offset: int) -> str:
        number = self.body.extract(f"%{port}", 2, WORD_BITS, WORD_BITS + 2)
        return equals(self.body, number, offset >> 2, WORD_BITS)

    def given(self, low: int, width: int = 1) -> str:
        """Bits of what is written."""
        return self.body.extract("%wdata", low, width, 32)

    def show(self, offset: int, parts: list[tuple[int, str, int]]) -> None:
        """What is read at an offset: signals at their lowest bits, with their widths, ascending; zeros between."""
        pieces: list[tuple[str, int]] = []
        at = 0
        for low, signal, width in parts:
            pieces += [(self.body.constant(0, low - at), low - at)] if low > at else []
            pieces.append((signal, width))
            at = low + width
        pieces += [(self.body.constant(0, 32 - at), 32 - at)] if at < 32 else []
        self.words[offset] = joined(self.body, list(reversed(pieces)))

    def writable(self, hint: str, offset: int) -> str:
        """A register of four bytes that software writes and reads."""
        body, bytes_ = self.body, []
        for byte in range(4):
            part = body.name(f"{hint}_byte{byte}")
            body.register(part, self.given(8 * byte, 8), 8, enable=self.written(offset, byte))
            bytes_.append((part, 8))
        word = joined(body, list(reversed(bytes_)))
        self.words[offset] = word
        return word

    def flag(self, hint: str, offset: int, bit: int) -> str:
        """A bit that software writes."""
        flag = self.body.name(hint)
        return self.body.register(flag, self.given(bit), 1, enable=self.written(offset, 0))

    def word(self) -> str:
        """The word at the address that is read; 0 where there is none."""
        body, zero = self.body, self.body.constant(0, 32)
        found = [body.choose(self._is("araddr", offset), word, zero, 32) for offset, word in self.words.items()]
        return body.shared("word", f"comb.or {', '.join(found)} : i32")


def _control(files: _Registers) -> tuple[str, dict[str, str]]:
    """CTRL, GIE, IER and ISR: ap_start, and the output `interrupt`."""
    body = files.body
    restart = files.flag("auto_restart", CTRL.offset, CTRL.bit("auto_restart"))
    start = body.name("ap_start")
    asked = body.all_of(files.written(CTRL.offset, 0), files.given(CTRL.bit("ap_start")))
    begun, again = (
        body.name("begun"),
        body.name("again"),
    )  # begun: the run of ap_start is under way, and may be followed
    following = body.any_of(restart, again, asked)
    body.register(begun, body.any_of("%taken", body.all_of(begun, body.invert("%fetched"))), 1)
    later = body.all_of(begun, asked)
    body.register(again, body.all_of(body.any_of(again, later), body.invert("%fetched")), 1)
    body.register(start, body.choose("%fetched", following, body.any_of(asked, start), 1), 1)
    read = files.is_read(CTRL.offset)
    seen = {}
    for hint, event in (("ap_done", "%finished"), ("ap_ready", "%fetched")):
        seen[hint] = body.name(hint)
        body.register(seen[hint], body.any_of(event, body.all_of(seen[hint], body.invert(read))), 1)
    idle = body.all_of("%idle", body.invert(start))
    shown = {"ap_start": start, **seen, "ap_idle": idle, "auto_restart": restart}
    files.show(CTRL.offset, [(field.low, shown[field.name], 1) for field in CTRL.fields])
    enable = files.flag("gie", GIE.offset, 0)
    files.show(GIE.offset, [(0, enable, 1)])
    enables = [files.flag(f"ier{bit}", IER.offset, bit) for bit in range(2)]
    files.show(IER.offset, [(bit, flag, 1) for bit, flag in enumerate(enables)])
    pending = []
    for bit, event in enumerate(("%finished", "%fetched")):
        flag = body.name(f"isr{bit}")
        toggled = body.all_of(files.written(ISR.offset, 0), files.given(bit))
        changed = body.shared("changed", f"comb.xor {flag}, {toggled} : i1")
        pending.append(body.register(flag, body.any_of(body.all_of(event, enables[bit]), changed), 1))
    files.show(ISR.offset, [(bit, flag, 1) for bit, flag in enumerate(pending)])
    return start, {"interrupt": body.all_of(enable, body.any_of(*pending))}


def _status(files: _Registers) -> None:
    """What software reads of the runs: cycles count from the cycle in which a run is taken, or the one before it ends
    if that is later."""
    body, at = files.body, {register.name: register.offset for register in STATUS}
    files.show(at["version"], [(0, body.constant(VERSION, 32), 32)])
    error = body.name("errors")
    cleared = body.choose("%taken", body.constant(0, 3), error, 3)
    body.register(error, body.choose("%finished", "%error", cleared, 3), 3)
    files.show(ERROR.offset, [(0, error, 3)])
    for hint, event in (
        ("runs", "%finished"),
        ("read_errors", "%read_error"),
        ("write_errors", "%write_error"),
    ):
        count = body.name(hint)
        body.register(count, plus(body, count, 1, 32), 32, enable=event)
        files.words[at[hint]] = count
    now = body.name("now")
    first = body.any_of("%idle", "%finished")
    body.register(now, body.choose(first, body.constant(1, 64), plus(body, now, 1, 64), 64), 64)
    cycles = body.register(body.name("cycles"), now, 64, enable="%finished")
    files.words[at["cycles"]] = body.extract(cycles, 0, 32, 64)
    files.words[at["cycles_high"]] = body.extract(cycles, 32, 32, 64)
