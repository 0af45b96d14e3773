"""Bursts over the beats of several tensors, one after the other: the request of an address channel.

Memory is divided into windows of 256 beats, or 4 KiB where that is less; a burst ends where a window or a tensor does.
So no burst crosses 4 KiB or has more than 256 beats, and only the first burst of a tensor begins within a window.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch2hw.dialects.bus_interface import ADDRESS_BITS
from torch2hw.dialects.bus_timing import window_beats
from torch2hw.lowering.hardware.hw_module import bits_for, chosen, counter, joined, plus
from torch2hw.lowering.hardware.hw_text import HwBody


class Bursts:
    """`address` (64 bits) and `length` (beats - 1, 8 bits) of the burst to be asked for; `is_last` of a run.

    `load` is high in the cycle in which a run's addresses are at `addresses`; `step` in that of an accepted burst."""

    def __init__(
        self, body: HwBody, data_bits: int, beats: Sequence[int], addresses: Sequence[str], load: str, step: str
    ) -> None:
        beat_bytes = data_bits // 8
        self.low_bits = (beat_bytes - 1).bit_length()
        window = bits_for(window_beats(data_bits))
        width = ADDRESS_BITS - self.low_bits
        left_bits = max(window + 1, bits_for(max(beats)))
        places = [body.name(f"place{k}") for k in range(len(beats))]
        left = body.name("left")  # beats of the tensor, without one
        within = body.extract(places[0], 0, window, width)
        room = body.shared("room", f"comb.xor {within}, {body.constant((1 << window) - 1, window)} : i{window}")
        wide = body.extend(room, window, left_bits)
        ends = body.shared("ends", f"comb.icmp ule {left}, {wide} : i{left_bits}")  # the tensor
        low = body.extract(left, 0, window, left_bits)
        self.length = body.extend(body.choose(ends, low, room, window), window, 8)
        self.address = joined(body, [(places[0], width), (body.constant(0, self.low_bits), self.low_bits)])

        upper = body.extract(places[0], window, width - window, width)
        following = joined(
            body, [(plus(body, upper, 1, width - window), width - window), (body.constant(0, window), window)]
        )
        moves = body.all_of(step, ends)
        for k, place in enumerate(places):
            given = body.extract(addresses[k], self.low_bits, width, ADDRESS_BITS)
            after = places[k + 1] if k + 1 < len(places) else place
            other = body.choose(ends, after, following, width) if k == 0 else after
            enable = body.any_of(load, step if k == 0 else moves)
            body.register(place, body.choose(load, given, other, width), width, enable=enable, reset="")
        self.is_last, counts = ends, [count - 1 for count in beats]
        more = body.constant(0, left_bits)
        if len(beats) > 1:
            tensor, at_end = counter(body, "tensor", len(beats), moves, load)
            self.is_last = body.all_of(ends, at_end)
            later = [body.constant(count, left_bits) for count in (*counts[1:], 0)]
            more = chosen(body, tensor, bits_for(len(beats)), later, left_bits)
        less = body.shared("less", f"comb.sub {left}, {wide} : i{left_bits}")
        rest = body.choose(ends, more, plus(body, less, -1, left_bits), left_bits)
        first = body.constant(counts[0], left_bits)
        body.register(
            left, body.choose(load, first, rest, left_bits), left_bits, enable=body.any_of(load, step), reset=""
        )


def request(channel: str, bursts: Bursts, body: HwBody, valid: str) -> dict[str, str]:
    """The signals of an address channel by port: INCR, full width, id 0, normal non-cacheable bufferable memory."""
    constants = {"id": (0, 1), "size": (bursts.low_bits, 3), "burst": (1, 2), "lock": (0, 1), "cache": (3, 4)}
    constants |= {"prot": (0, 3), "qos": (0, 4), "region": (0, 4)}
    found = {f"{channel}{name}": body.constant(*value) for name, value in constants.items()}
    return found | {
        f"{channel}addr": bursts.address,
        f"{channel}len": bursts.length,
        f"{channel}valid": valid,
    }
