"""The module that receives an input from a stream: it judges packets, and has the pages of the input's banks.

port             width          direction  of
clk, reset       1              input      the module
tdata            data bits      input      the stream, with tlast, tvalid and tready; one packet is one tensor
available        1              output     a page is full: high until `finish`
finish           1              input      high in one cycle: the page in use is free from the next cycle on
dropped          32             output     packets with too few or too many beats so far; stays at its largest value
x_addr, x_data   as the core's  in, out    each bank that the core reads: a word of the page in use, one cycle later

A group is written in every cycle in which a beat is offered and a page is free; a beat of several groups is taken in
the cycle of its last one. The page counts as full from the cycle after that of tlast.
"""

from __future__ import annotations

from torch2hw.dialects.bank_ports import bank_ports
from torch2hw.dialects.stream_interface import DROPPED_BITS
from torch2hw.dialects.stream_layout import Place, StreamLayout
from torch2hw.hwlib.memories import Memory, address_bits, ram
from torch2hw.lowering.hardware.hw_module import (
    CLOCK_AND_RESET,
    Module,
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
from torch2hw.lowering.hardware.stream_pages import Pages, pages
from torch2hw.lowering.hardware.stream_walk import Walk


def page_memory(layout: StreamLayout, read_enable: bool = False) -> Memory:
    """The memory of both pages of a bank."""
    return ram(layout.buffer.width_bits, 2 * layout.buffer.bank_elements, read_enable)


def stream_input(name: str, layout: StreamLayout, read: list[int], judged: bool = True) -> Module:
    """The module. `read` are the banks that the core reads; the others have no memory. With `judged` false, every
    packet is right: there are no ports tlast and dropped, but `accepted`, high in the last cycle of a packet, and
    `room`, high while a page is free."""
    buffer, bits = layout.buffer, layout.data_bits
    ports = [*CLOCK_AND_RESET, entering("tdata", bits), entering("tvalid"), leaving("tready")]
    ports += [leaving("available"), entering("finish")]
    ports += [entering("tlast"), leaving("dropped", DROPPED_BITS)] if judged else [leaving("accepted"), leaving("room")]
    for bank in read:
        names = bank_ports(buffer, bank)
        ports += [entering(names.address, address_bits(buffer.bank_elements)), leaving(names.data, buffer.width_bits)]
    body = body_of(ports)
    awake = body.flag("awake", body.one)  # nothing is taken while the other side may be in reset
    accepted, restart, moving = body.name("accepted"), body.name("restart"), body.name("moving")
    both = pages(body, accepted, "%finish")
    room = body.all_of(awake, body.invert(both.both_full))
    offered = body.all_of("%tvalid", room)

    walk = Walk(body, layout, moving, restart)
    words, whole, taken = _elements(body, layout, moving, restart, walk.last, offered)
    over = body.name("over") if judged else body.zero
    taken = body.any_of(taken, over)
    beat = body.all_of(offered, taken)
    body.define(moving, f"hw.wire {body.all_of(offered, whole, body.invert(over))} : i1")
    ends = body.all_of(moving, walk.last)  # in this beat, the last of a tensor
    tlast = "%tlast" if judged else ends
    body.define(restart, f"hw.wire {body.any_of(ends, body.all_of(beat, tlast))} : i1")
    body.define(accepted, f"hw.wire {body.all_of(ends, tlast)} : i1")
    outputs = {"tready": body.all_of(room, taken), "available": both.any_full, "accepted": accepted, "room": room}
    if judged:
        wrong = body.all_of(beat, tlast, body.invert(ends))
        outputs["dropped"] = _saturating(body, wrong)
        longer = body.all_of(body.any_of(ends, over), body.invert(tlast))
        body.register(over, longer, 1, enable=body.any_of(ends, beat))
    by_bank: dict[int, list[Place]] = {}
    for place in layout.places():
        by_bank.setdefault(place.bank, []).append(place)
    for bank in sorted(set(by_bank) & set(read)):
        places = by_bank[bank]
        here = body.all_of(moving, body.any_of(*(walk.is_at(body, place.turn) for place in places)))
        word = words[places[0].lane]
        for place in places[1:]:
            word = body.choose(walk.is_at(body, place.turn), words[place.lane], word, buffer.width_bits)
        offset = walk.place(body, places)
        outputs[bank_ports(buffer, bank).data] = _bank(body, layout, bank, both, offset, here, word)
    return module(name, ports, outputs, body)


def _elements(
    body: HwBody, layout: StreamLayout, moving: str, restart: str, last: str, offered: str
) -> tuple[list[str], str, str]:
    """The words of a group by lane; whether they are whole; whether the beat is taken once they are moved."""
    element, width, bits = layout.element_bits, layout.buffer.width_bits, layout.data_bits
    if layout.beats_per_element > 1:
        beats, below = layout.beats_per_element, (layout.beats_per_element - 1) * bits
        _, whole = counter(body, "part", beats, offered, restart)
        parts = body.name("parts")
        kept = body.extract(parts, bits, below - bits, below) if below > bits else ""
        body.register(parts, joined(body, [("%tdata", bits), (kept, below - bits)]), below, enable=offered, reset="")
        word = joined(body, [("%tdata", bits), (parts, below)])
        return [body.extract(word, 0, width, element)], whole, body.one
    count, lanes = layout.groups_per_beat, layout.lanes
    number, at_end = "", body.one
    if count > 1:
        number, at_end = counter(body, "group", count, moving, restart)
    words = []
    for lane in range(lanes):
        values = [
            body.extract("%tdata", (group * lanes + lane) * element, width, bits)
            for group in range(min(count, layout.groups))
        ]
        words.append(chosen(body, number, (count - 1).bit_length(), values, width))
    return words, body.one, body.any_of(at_end, last)


def _bank(body: HwBody, layout: StreamLayout, bank: int, both: Pages, offset: str, here: str, word: str) -> str:
    """A bank's memory, written at `offset`; the word that the core reads."""
    buffer, names, record = layout.buffer, bank_ports(layout.buffer, bank), page_memory(layout)
    bits = bits_for(buffer.bank_elements)
    address, width = f"i{address_bits(2 * buffer.bank_elements)}", f"i{buffer.width_bits}"
    read = joined(body, [(f"%{names.address}", bits), (both.using, 1)])
    write = joined(body, [(offset, bits), (both.filling, 1)])
    data = body.name(names.data)
    wires = {
        "read_addr": (read, address),
        "write_addr": (write, address),
        "write_en": (here, "i1"),
        "write_data": (word, width),
        "clk": ("%clk", "!seq.clock"),
    }
    body.instance(names.memory, record.name, wires, {"out": (data, width)})
    return data


def _saturating(body: HwBody, step: str) -> str:
    """A count of the cycles in which `step` is high, which stays at its largest value."""
    count = body.name("dropped")
    full = equals(body, count, (1 << DROPPED_BITS) - 1, DROPPED_BITS)
    more = plus(body, count, 1, DROPPED_BITS)
    body.register(count, more, DROPPED_BITS, enable=body.all_of(step, body.invert(full)))
    return count
