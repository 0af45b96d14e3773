"""Takes runs and fetches their inputs, one tensor after the other, in the order of the read channel's answers.

port                       width  direction  of
clk, reset                 1      input      the module
start                      1      input      a run is wanted
able                       1      input      there is room for another run
address0 …                 64     input      the addresses of all tensors, inputs first
taken                      1      output     high in one cycle: a run begins
fetched                    1      output     high in one cycle: its inputs are in the design
misaligned, read_failed    1      output     of the run that is fetched: nothing was accessed; some beat had an error
busy                       1      output     from the cycle after `taken` to that of `fetched`
read_error                 1      output     high in the cycle of a beat with an error
tvalid0 …                  1      output     each input's stream; its data are rdata
tready0 …, accepted0 …     1      input      each input's stream: a beat is taken; it was the last one of the tensor
ar…, r…                           both       the read channels (dialects/bus_interface.py)
"""

from __future__ import annotations

from collections.abc import Sequence

from torch2hw.dialects.bus_interface import ADDRESS_BITS
from torch2hw.lowering.hardware.axi_bursts import Bursts, request
from torch2hw.lowering.hardware.hw_module import (
    CLOCK_AND_RESET,
    Module,
    ModulePort,
    bits_for,
    body_of,
    counter,
    entering,
    equals,
    leaving,
    module,
)

READ_CHANNELS = ("ar", "r")


def axi_reader(name: str, data_bits: int, beats: Sequence[int], tensors: int, channels: Sequence[ModulePort]) -> Module:
    """The module: `beats` of each input; `tensors`: inputs and outputs; `channels`: the ports of ar and r."""
    count = len(beats)
    ports = [*CLOCK_AND_RESET, entering("start"), entering("able")]
    ports += [entering(f"address{k}", ADDRESS_BITS) for k in range(tensors)]
    ports += [leaving(each) for each in ("taken", "fetched", "misaligned", "read_failed", "busy", "read_error")]
    for k in range(count):
        ports += [leaving(f"tvalid{k}"), entering(f"tready{k}"), entering(f"accepted{k}")]
    ports += channels
    body = body_of(ports)
    busy, void, asking, fetched = (body.name(hint) for hint in ("busy", "void", "asking", "fetched"))
    taken = body.all_of("%start", "%able", body.invert(busy))
    low = (data_bits // 8 - 1).bit_length()
    offsets = [body.extract(f"%address{k}", 0, low, ADDRESS_BITS) for k in range(tensors)]
    crooked = body.any_of(*(body.invert(equals(body, offset, 0, low)) for offset in offsets))
    body.register(busy, body.any_of(taken, body.all_of(busy, body.invert(fetched))), 1)
    body.register(void, crooked, 1, enable=taken)
    reads = body.all_of(busy, body.invert(void))
    outputs = {"taken": taken, "fetched": fetched, "misaligned": void, "busy": busy}

    if not count:
        body.define(fetched, f"hw.wire {busy} : i1")
        no_address = body.constant(0, ADDRESS_BITS)
        step, bursts = body.zero, Bursts(body, data_bits, [1], [no_address], taken, body.zero)
        body.define(asking, f"hw.wire {step} : i1")
    else:
        step = body.all_of(asking, "%arready")
        bursts = Bursts(body, data_bits, beats, [f"%address{k}" for k in range(count)], taken, step)
        goes_on = body.all_of(asking, body.invert(body.all_of(step, bursts.is_last)))
        body.register(asking, body.any_of(body.all_of(taken, body.invert(crooked)), goes_on), 1)
        ended = body.any_of(void, f"%accepted{count - 1}")
        body.define(fetched, f"hw.wire {body.all_of(busy, ended)} : i1")
    outputs |= request("ar", bursts, body, asking)

    tensor = ""
    if count > 1:
        moves = body.any_of(*(f"%accepted{k}" for k in range(count)))
        tensor, _ = counter(body, "tensor", count, moves, taken)
    selected = [body.all_of(reads, equals(body, tensor, k, bits_for(count))) for k in range(count)]
    for k, flag in enumerate(selected):
        outputs[f"tvalid{k}"] = body.all_of("%rvalid", flag)
    rready = body.any_of(*(body.all_of(flag, f"%tready{k}") for k, flag in enumerate(selected)))
    error = body.all_of("%rvalid", rready, body.extract("%rresp", 1, 1, 2))
    failed = body.name("failed")
    body.register(failed, body.all_of(body.any_of(failed, error), body.invert(taken)), 1)
    outputs |= {"rready": rready, "read_error": error, "read_failed": body.any_of(failed, error)}
    return module(name, ports, outputs, body)
