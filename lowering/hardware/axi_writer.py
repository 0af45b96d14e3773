"""Writes the outputs of runs, in the order of the runs, one tensor after the other; then a run is finished.

port                             width      direction  of
clk, reset                       1          input      the module
address0 …                       64         input      the addresses of the outputs
taken                            1          input      high in one cycle: the addresses are those of a run that begins
fetched                          1          input      high in one cycle: that run's inputs are in the design
misaligned, read_failed          1          input      of that run
has_room                         1          output     another run may be taken
idle                             1          output     no fetched run is unfinished
finished                         1          output     high in one cycle: a run's last write response is there
error                            3          output     of that run: misaligned, read response, write response
write_error                      1          output     high in the cycle of a write response with an error
tdata0, tkeep0, tlast0, tvalid0 …           input      each output's stream
tready0 …                        1          output     each output's stream
aw…, w…, b…                                 both       the write channels (dialects/bus_interface.py)

A burst is asked for when its first beat is there; its data do not wait for the address to be accepted.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch2hw.dialects.bus_interface import ADDRESS_BITS
from torch2hw.hwlib.memories import Memory, ram
from torch2hw.lowering.hardware.axi_bursts import Bursts, request
from torch2hw.lowering.hardware.hw_module import (
    CLOCK_AND_RESET,
    Module,
    ModulePort,
    bits_for,
    body_of,
    chosen,
    counter,
    entering,
    equals,
    joined,
    leaving,
    module,
    plus,
)
from torch2hw.lowering.hardware.hw_text import HwBody

QUEUED = 4
"""Runs that are fetched and not written yet: two in the pages of inputs, two in those of outputs."""


def queue_memory(data_bits: int, outputs: int) -> Memory:
    """The memory of the queue of runs: addresses of outputs in beats, above misaligned and read_failed."""
    return ram(outputs * (ADDRESS_BITS - (data_bits // 8 - 1).bit_length()) + 2, QUEUED)


def axi_writer(name: str, data_bits: int, beats: Sequence[int], channels: Sequence[ModulePort]) -> Module:
    """The module: `beats` of each output; `channels`: the ports of aw, w and b."""
    count = len(beats)
    ports = [*CLOCK_AND_RESET, *(entering(f"address{k}", ADDRESS_BITS) for k in range(count))]
    ports += [entering(each) for each in ("taken", "fetched", "misaligned", "read_failed")]
    ports += [leaving("has_room"), leaving("idle"), leaving("finished"), leaving("error", 3), leaving("write_error")]
    for k in range(count):
        ports += [entering(f"tdata{k}", data_bits), entering(f"tkeep{k}", data_bits // 8)]
        ports += [entering(f"tlast{k}"), entering(f"tvalid{k}"), leaving(f"tready{k}")]
    ports += channels
    body = body_of(ports)
    writing, take = body.name("writing"), body.name("take")
    head, queued, has_head = _queue(body, data_bits, count, take)
    low = (data_bits // 8 - 1).bit_length()
    width = ADDRESS_BITS - low
    total = count * width + 2
    void, failed = body.extract(head, 0, 1, total), body.extract(head, 1, 1, total)
    body.define(take, f"hw.wire {body.all_of(has_head, body.invert(writing))} : i1")
    begin = body.all_of(take, body.invert(void))
    addresses = [
        joined(body, [(body.extract(head, 2 + k * width, width, total), width), (body.constant(0, low), low)])
        for k in range(count)
    ]

    asking, sending, more = body.name("asking"), body.name("sending"), body.name("more")
    step = body.all_of(asking, "%awready")
    bursts = Bursts(body, data_bits, beats, addresses, begin, step)
    beat = {signal: [f"%{signal}{k}" for k in range(count)] for signal in ("tdata", "tkeep", "tlast", "tvalid")}
    sent = body.name("sent")
    output, bits = "", bits_for(count)
    last = body.name("last_of_tensor")
    if count > 1:
        output, _ = counter(body, "output", count, body.all_of(sent, last), begin)
    tdata = chosen(body, output, bits, beat["tdata"], data_bits)
    tkeep = chosen(body, output, bits, beat["tkeep"], data_bits // 8)
    tvalid = chosen(body, output, bits, beat["tvalid"], 1)
    body.define(last, f"hw.wire {chosen(body, output, bits, beat['tlast'], 1)} : i1")
    burst = body.all_of(more, tvalid, body.invert(asking), body.invert(sending))
    left = body.name("beats_left")
    wlast = equals(body, left, 0, 8)
    wvalid = body.all_of(sending, tvalid)
    body.define(sent, f"hw.wire {body.all_of(wvalid, '%wready')} : i1")
    body.register(asking, body.any_of(burst, body.all_of(asking, body.invert("%awready"))), 1)
    body.register(sending, body.any_of(burst, body.all_of(sending, body.invert(body.all_of(sent, wlast)))), 1)
    body.register(more, body.any_of(begin, body.all_of(more, body.invert(body.all_of(step, bursts.is_last)))), 1)
    fewer = plus(body, left, -1, 8)
    body.register(left, body.choose(burst, bursts.length, fewer, 8), 8, enable=body.any_of(burst, sent), reset="")

    answered = _unanswered(body, sum(beats), step)
    error = body.all_of("%bvalid", body.extract("%bresp", 1, 1, 2))
    wrong = body.name("wrong")
    body.register(wrong, body.all_of(body.any_of(wrong, error), body.invert(begin)), 1)
    kept = body.register(body.name("failed"), failed, 1, enable=begin)
    ended = body.all_of(writing, answered, *(body.invert(flag) for flag in (more, asking, sending)))
    body.register(writing, body.any_of(begin, body.all_of(writing, body.invert(ended))), 1)
    skipped = body.all_of(take, void)
    flags = joined(body, [(body.all_of(ended, wrong), 1), (body.all_of(ended, kept), 1), (skipped, 1)])
    outputs = {
        "has_room": body.invert(equals(body, queued, QUEUED, 3)),
        "idle": body.all_of(equals(body, queued, 0, 3), body.invert(writing)),
        "finished": body.any_of(ended, skipped),
        "error": flags,
        "write_error": error,
        **request("aw", bursts, body, asking),
        "wdata": tdata,
        "wstrb": tkeep,
        "wlast": wlast,
        "wvalid": wvalid,
        "bready": body.one,
    }
    for k in range(count):
        outputs[f"tready{k}"] = body.all_of(sending, "%wready", equals(body, output, k, bits))
    return module(name, ports, outputs, body)


def _queue(body: HwBody, data_bits: int, count: int, take: str) -> tuple[str, str, str]:
    """The queue: the entry at its head, the number of entries, whether the head is there (two cycles after it was
    queued, or the entry before it taken)."""
    low = (data_bits // 8 - 1).bit_length()
    width = ADDRESS_BITS - low
    held = []
    for k in range(count):
        given = body.extract(f"%address{k}", low, width, ADDRESS_BITS)
        held.append((body.register(body.name(f"address{k}_taken"), given, width, enable="%taken", reset=""), width))
    entry = joined(body, [*reversed(held), ("%read_failed", 1), ("%misaligned", 1)])
    total = count * width + 2
    write, _ = counter(body, "write", QUEUED, "%fetched", body.zero)
    read, _ = counter(body, "read", QUEUED, take, body.zero)
    record, head = queue_memory(data_bits, count), body.name("head")
    wires = {
        "read_addr": (read, "i2"),
        "write_addr": (write, "i2"),
        "write_en": ("%fetched", "i1"),
        "write_data": (entry, f"i{total}"),
        "clk": ("%clk", "!seq.clock"),
    }
    body.instance("queue", record.name, wires, {"out": (head, f"i{total}")})
    queued = body.name("queued")
    change = body.choose("%fetched", body.constant(1, 3), body.constant(7, 3), 3)
    differs = body.shared("differs", f"comb.xor %fetched, {take} : i1")
    body.register(queued, plus(body, queued, change, 3), 3, enable=differs)
    is_there = body.all_of(body.invert(equals(body, queued, 0, 3)), body.invert(take))
    return head, queued, body.flag("has_head", is_there)


def _unanswered(body: HwBody, beats: int, step: str) -> str:
    """Whether every burst has its response. A burst has at least one beat."""
    width = bits_for(beats + 1)
    count = body.name("unanswered")
    change = body.choose(step, body.constant(1, width), body.constant((1 << width) - 1, width), width)
    differs = body.shared("differs", f"comb.xor {step}, %bvalid : i1")
    body.register(count, plus(body, count, change, width), width, enable=differs)
    return equals(body, count, 0, width)
