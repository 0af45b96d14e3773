"""Programs that are text: levels hw and sv."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from torch2hw.hwlib.contents import Contents, fill


@dataclass(frozen=True)
class Text:
    """A program that is text, with the contents of its memories, to which the text refers by name. `filled` puts the
    contents into the text."""

    content: str
    contents: Mapping[str, Contents] = field(default_factory=dict, repr=False)
    filled: Callable[[str, Mapping[str, Contents]], str] = fill

    def text(self, weights: bool = True) -> str:
        """The text, complete or with references to contents."""
        return self.filled(self.content, self.contents) if weights else self.content
