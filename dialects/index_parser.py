"""Reads index expressions of loop text: `%i * 2 + ((%j) floordiv 3) * -1 + 5`.

    index := number | term ["+" term]* [("+" | "-") number]
    term  := atom ["*" number]
    atom  := %loop | %value ":" extent | "(" index ")" ("floordiv" | "mod") number | "(" atom ")"

leaves: an `Index` with the terms that stand in the text, in their order: nothing is simplified.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NoReturn

from torch2hw.dialects.quasi_affine import Atom, FloorDiv, Index, Remainder, Variable

_TOKEN = re.compile(r" *(%\w+(?::\d+)?|\d+|floordiv|mod|[()+*-])", re.ASCII)


class IndexTextError(ValueError):
    """The text is no index expression; the message says which text."""


def parse_index(text: str, loops: Mapping[str, Variable]) -> Index:
    """The index expression; `loops` are the variables that stand in it without their extents."""
    return _IndexReader(text, loops).whole()


class _IndexReader:
    """Reads one index expression by recursive descent."""

    def __init__(self, text: str, loops: Mapping[str, Variable]) -> None:
        self.text, self.loops = text, loops
        self.tokens: list[str] = []
        at = 0
        while at < len(text):
            found = _TOKEN.match(text, at)
            if found is None:
                self.fail()
            self.tokens.append(found[1])
            at = found.end()
        self.at = 0

    def fail(self) -> NoReturn:
        raise IndexTextError(f"`{self.text}` is no index expression")

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self) -> str:
        token = self.peek()
        self.at += 1
        return token

    def expect(self, token: str) -> None:
        if self.take() != token:
            self.fail()

    def whole(self) -> Index:
        index = self.sum()
        if self.peek():
            self.fail()
        return index

    def sum(self) -> Index:
        if self.peek() == "-" or self.peek().isdigit():
            return Index((), self.number())
        terms = [self.term()]
        while self.peek() in ("+", "-"):
            sign = self.take()
            if self.peek().isdigit():
                return Index(tuple(terms), int(self.take()) * (1 if sign == "+" else -1))
            if sign == "-":
                self.fail()
            terms.append(self.term())
        return Index(tuple(terms), 0)

    def number(self) -> int:
        sign = -1 if self.peek() == "-" else 1
        token = self.tokens[self.at + 1] if sign < 0 and self.at + 1 < len(self.tokens) else self.peek()
        if not token.isdigit():
            self.fail()
        self.at += 1 if sign > 0 else 2
        return sign * int(token)

    def term(self) -> tuple[Atom, int]:
        atom = self.atom()
        if self.peek() != "*":
            return atom, 1
        self.take()
        return atom, self.number()

    def atom(self) -> Atom:
        token = self.take()
        if token.startswith("%"):
            return self.variable(token[1:])
        if token != "(":
            self.fail()
        inner = self.sum()
        self.expect(")")
        if self.peek() in ("floordiv", "mod"):
            kind, divisor = self.take(), self.number()
            if divisor < 1:
                self.fail()
            return FloorDiv(inner, divisor) if kind == "floordiv" else Remainder(inner, divisor)
        if len(inner.terms) != 1 or inner.constant or inner.terms[0][1] != 1:
            self.fail()
        return inner.terms[0][0]

    def variable(self, text: str) -> Variable:
        name, _, extent = text.partition(":")
        if extent:
            return Variable(name, int(extent))
        found = self.loops.get(name)
        if found is None:
            raise IndexTextError(
                f"%{name} is no loop of this kernel; a value used as an index has its extent: %{name}:64"
            )
        return found
