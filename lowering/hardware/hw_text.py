"""Writes the body of one `hw.module` as text: constants, comb operations and registers, each expression once.

A signal is its SSA name. The body is a graph region, so a name may be used before the line that defines it. One-bit
logic folds constants as it is built; wider folding is CIRCT's canonicalizer's work.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence


class HwBody:
    """`clock` and `reset` are the signals that registers use; `reset` may be "" where nothing is reset."""

    def __init__(self, clock: str, reset: str, taken: Sequence[str] = ()) -> None:
        self.clock, self.reset = clock, reset
        self.lines: list[tuple[str, str, str]] = []  # name or "", expression, location
        self.hints: dict[str, str] = {}
        self.names = set(taken)
        self.numbers: dict[str, int] = {}  # by hint, the last one given: names are never taken back
        self.expressions: dict[tuple[object, ...], str] = {}
        self.constants: dict[str, tuple[int, int]] = {}
        self.zero, self.one = self.constant(0, 1), self.constant(1, 1)

    # -- names and lines
    def name(self, hint: str) -> str:
        """A new signal name from `hint`."""
        chosen, number = hint, self.numbers.get(hint, 0)
        while chosen in self.names:
            number += 1
            chosen = f"{hint}_{number}"
        self.names.add(chosen)
        self.numbers[hint] = number
        return f"%{chosen}"

    def define(self, name: str, expression: str, location: str = "") -> str:
        """Adds a line; gives the name back. `location` is a location in MLIR's notation, or ""."""
        self.lines.append((name, expression, location))
        return name

    def call(self, signal: str, hint: str) -> str:
        """Gives a combinational signal a name in the Verilog, if it needs a wire and has no name yet."""
        self.hints.setdefault(signal, hint)
        return signal

    def text(self) -> list[str]:
        """The lines of the body."""
        found = []
        for name, expression, location in self.lines:
            if name in self.hints and expression.startswith("comb."):
                expression = expression.replace(" : ", f' {{sv.namehint = "{self.hints[name]}"}} : ', 1)
            found.append(f"{f'{name} = ' if name else ''}{expression} {location or 'loc(unknown)'}")
        return found

    def shared(self, hint: str, expression: str) -> str:
        """The signal of `expression`, written once."""
        if (expression,) not in self.expressions:
            self.expressions[expression,] = self.define(self.name(hint), expression)
        return self.expressions[expression,]

    # -- combinational
    def constant(self, value: int, width: int) -> str:
        """The constant `value`, from 0 to 2**`width` - 1; one line for all its uses."""
        assert 0 <= value < 1 << width, f"{value} does not fit in i{width}"
        key = ("constant", value, width)
        if key not in self.expressions:
            name = self.name(f"c{value}_i{width}")
            literal = value - (1 << width) if value >> (width - 1) else value
            text = {0: "false", -1: "true"}[literal] if width == 1 else f"{literal} : i{width}"
            self.expressions[key] = self.define(name, f"hw.constant {text}")
            self.constants[name] = value, width
        return self.expressions[key]

    def invert(self, signal: str) -> str:
        """The complement of a one-bit signal."""
        if signal in (self.zero, self.one):
            return self.one if signal == self.zero else self.zero
        return self.shared("not", f"comb.xor {signal}, {self.one} : i1")

    def all_of(self, *signals: str) -> str:
        """The and of one-bit signals."""
        return self._join("and", signals, self.one, self.zero)

    def any_of(self, *signals: str) -> str:
        """The or of one-bit signals."""
        return self._join("or", signals, self.zero, self.one)

    def _join(self, operation: str, signals: Sequence[str], neutral: str, absorbing: str) -> str:
        distinct = [signal for signal in dict.fromkeys(signals) if signal != neutral]
        if absorbing in distinct:
            return absorbing
        if len(distinct) < 2:
            return distinct[0] if distinct else neutral
        return self.shared(operation, f"comb.{operation} {', '.join(distinct)} : i1")

    def choose(self, condition: str, on_true: str, on_false: str, width: int) -> str:
        """`condition ? on_true : on_false`; a gate where that is enough."""
        if on_true == on_false or condition == self.one:
            return on_true
        if condition == self.zero:
            return on_false
        if width == 1 and on_false == self.zero:
            return self.all_of(condition, on_true)
        if width == 1 and on_true == self.one:
            return self.any_of(condition, on_false)
        return self.shared("mux", f"comb.mux {condition}, {on_true}, {on_false} : i{width}")

    def extract(self, signal: str, low: int, width: int, of_width: int) -> str:
        """`width` bits of a signal of `of_width`, from bit `low` up."""
        if low == 0 and width == of_width:
            return signal
        return self.shared("bits", f"comb.extract {signal} from {low} : (i{of_width}) -> i{width}")

    def extend(self, signal: str, width: int, to_width: int) -> str:
        """The signal, zero-extended."""
        if width == to_width:
            return signal
        zeros = self.constant(0, to_width - width)
        return self.shared("wide", f"comb.concat {zeros}, {signal} : i{to_width - width}, i{width}")

    # -- state
    def register(
        self,
        name: str,
        following: str,
        width: int,
        *,
        enable: str = "",
        reset: str | None = None,
        start: int = 0,
        location: str = "",
    ) -> str:
        """A register. It is `start` in the cycle after `reset` (the body's reset unless given; "" for none), otherwise
        `following`. `name` comes from `self.name`."""
        reset = self.reset if reset is None else reset
        held = enable not in ("", self.one)
        text = f"seq.compreg{'.ce' if held else ''} {following}, {self.clock}{f', {enable}' if held else ''}"
        if reset:
            text += f" reset {reset}, {self.constant(start, width)}"
        return self.define(name, f"{text} : i{width}", location)

    def flag(self, hint: str, following: str) -> str:
        """A one-bit register with the body's reset."""
        return self.register(self.name(hint), following, 1)

    # -- modules
    def instance(
        self,
        name: str,
        module: str,
        inputs: Mapping[str, tuple[str, str]],
        outputs: Mapping[str, tuple[str, str]],
        location: str = "",
    ) -> None:
        """`inputs` and `outputs` are (signal, type) by port."""
        given = ", ".join(f"{port}: {signal}: {kind}" for port, (signal, kind) in inputs.items())
        results = ", ".join(f"{port}: {kind}" for port, (_, kind) in outputs.items())
        names = ", ".join(signal for signal, _ in outputs.values())
        self.lines.append((names, f'hw.instance "{name}" @{module}({given}) -> ({results})', location))
