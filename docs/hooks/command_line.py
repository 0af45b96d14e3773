"""The page of the command line, made of the argument parsers themselves."""

from __future__ import annotations

import argparse

from torch2hw.commands import command_line


def markdown() -> str:
    """The commands in a table; the options of all commands that compile a model; then each command with its own."""
    (group,) = (each for each in command_line.command_parser()._actions if isinstance(each, argparse._SubParsersAction))
    summaries = {each.dest: str(each.help) for each in group._choices_actions}
    commands = {name: _arguments(parser) for name, parser in group.choices.items()}
    compiling = [actions for actions in commands.values() if any(action.metavar == "MODEL" for action in actions)]
    common = set.intersection(*({_flags(action) for action in actions} for actions in compiling)) - {"`MODEL`"}

    parts = [_table("command", "does", [(f"[`{name}`](#{name})", text) for name, text in summaries.items()])]
    parts += ["## Common options", "The commands that compile a model have these options."]
    parts.append(_options([action for action in compiling[0] if _flags(action) in common]))
    for name, actions in commands.items():
        own = [action for action in actions if actions not in compiling or _flags(action) not in common]
        parts += [f"## {name}", f"{summaries[name][0].upper()}{summaries[name][1:]}.", _usage(name, own), _options(own)]
        if actions in compiling:
            parts.append("The [common options](#common-options) apply.")
    return "\n\n".join(parts)


def _arguments(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    return [action for action in parser._actions if not isinstance(action, argparse._HelpAction)]


def _value(action: argparse.Action) -> str:
    """What stands for the value of an option; nothing for a switch."""
    if action.nargs == 0:
        return ""
    return " " + (action.metavar or "|".join(map(str, action.choices or ["VALUE"])))


def _flags(action: argparse.Action) -> str:
    if not action.option_strings:
        return f"`{action.metavar or action.dest}`"
    return ", ".join(f"`{flag}{_value(action)}`" for flag in action.option_strings)


def _usage(name: str, actions: list[argparse.Action]) -> str:
    positional = [f"{a.metavar}{' …' if a.nargs == '+' else ''}" for a in actions if not a.option_strings]
    optional = [f"[{a.metavar}]" for a in actions if not a.option_strings and a.nargs == "?"]
    required = [f"{a.option_strings[0]}{_value(a)}" for a in actions if a.option_strings and a.required]
    return f"```\ntorch2hw {' '.join([name, *(optional or positional), '[options]', *required])}\n```"


def _options(actions: list[argparse.Action]) -> str:
    return _table("option", "meaning", [(_flags(action), _text(str(action.help or ""))) for action in actions])


def _text(help_text: str) -> str:
    return help_text.replace("|", "\\|").replace("<", "&lt;").replace("%%", "%")


def _table(left: str, right: str, rows: list[tuple[str, str]]) -> str:
    return "\n".join([f"| {left} | {right} |", "| --- | --- |", *(f"| {a} | {b} |" for a, b in rows)])
