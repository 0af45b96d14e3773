"""The two pages of a stream's memories: one is filled while the other is used.

A memory has the words of both pages, the page being the lowest bit of the address: whatever the depth of a page is,
no word is wasted, and synthesis finds one memory.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch2hw.lowering.hardware.hw_text import HwBody


@dataclass(frozen=True)
class Pages:
    """Signals of one bit. `filling`, `using`: the pages that are filled and used next. `any_full`, `both_full`: how
    many pages are full, with the one in use."""

    filling: str
    using: str
    any_full: str
    both_full: str


def pages(body: HwBody, filled: str, used: str) -> Pages:
    """`filled` is high in the last cycle in which a page is filled, `used` in the last one in which it is used. Both
    count from the next cycle on."""
    filling, using = body.name("filling"), body.name("using")
    body.register(filling, body.invert(filling), 1, enable=filled)
    body.register(using, body.invert(using), 1, enable=used)
    any_full, both_full = body.name("any_full"), body.name("both_full")
    more = body.all_of(filled, body.invert(used))
    fewer = body.all_of(used, body.invert(filled))
    body.register(any_full, body.any_of(more, body.all_of(any_full, body.any_of(body.invert(fewer), both_full))), 1)
    body.register(both_full, body.any_of(body.all_of(more, any_full), body.all_of(both_full, body.invert(fewer))), 1)
    return Pages(filling, using, any_full, both_full)
