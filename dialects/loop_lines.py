"""The lines of loop text, as regular expressions; `loop_parser.py` has the grammar that they belong to.

Groups are called after the fields that they fill. A line is matched whole, without its indentation.
"""

from __future__ import annotations

import re

_LOC = r'(?: loc\((?P<file>"(?:[^"\\]|\\.)*"):(?P<line>\d+)\))?'
_CALLED = r'(?: called (?P<label>"(?:[^"\\]|\\.)*"))?'
_KEEPS = r"(?: keeps \((?P<states>[^)]*)\))?"
_CYCLES = r"(?: \{(?:cycle = (?P<cycle>-?\d+))?(?:, )?(?:ready = (?P<ready>-?\d+))?\})?"
_START = r"(?: start (?P<start>-?\d+))?"
_ACCESS = r"@(?P<buffer>\w+)\[(?P<indices>[^\]]*)\](?: where \((?P<guard>.*?)\))?"


def _pattern(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.ASCII)


PROGRAM = _pattern(r"program @(\w+) level (\w+) \{")
SHARE = _pattern(r"share (\w+): (\d+)")
BUFFER = _pattern(
    r"buffer @(?P<name>\w+): (?P<shape>(?:\d+x)*)(?P<dtype>\w+) (?P<storage>\w+)(?: banks (?P<factors>\d+(?:x\d+)*))?"
    r"(?: codes (?P<scale>0x[0-9a-f.]+p[+-]\d+) (?P<zero>-?\d+))?"
    rf'(?: = (?:\[(?P<words>[^\]]*)\]|weights (?P<weights>"[^"]*")))?{_CALLED}{_LOC}'
)
FUNCTION = _pattern(rf"function @(?P<name>\w+)\((?P<inputs>[^)]*)\) -> \((?P<outputs>[^)]*)\){_KEEPS}{_START} \{{")
SEQ = _pattern(rf"seq{_START} \{{")
PAR = _pattern(rf"par @(?P<name>\w+){_START} \{{")
ROUNDS = _pattern(rf"rounds (?P<count>\d+){_START}(?: period (?P<period>-?\d+))? \{{")
KERNEL = _pattern(
    rf"kernel @(?P<name>\w+)\((?P<loops>[^)]*)\){_START}(?: interval (?P<interval>\d+) depth (?P<depth>\d+))?"
    rf"(?: lanes (?P<lanes>\d+))?(?: macs (?P<macs>\d+))?{_LOC} \{{"
)
LOOP = _pattern(r"%(?P<name>\w+): (?P<extent>\d+)(?: reduces (?P<stage>\d+))?(?P<rounds> in rounds)?")
WHERE = _pattern(r"where \((.*)\)")
STAGE = _pattern(r"stage (\d+) \{")
TIMING = _pattern(rf"timing %(?P<name>\w+){_CYCLES}")
CARRY = _pattern(rf"carry %(?P<name>\w+) = %(?P<init>\w+) next %(?P<next>\w+) : (?P<type>\w+){_CYCLES}")
CONSTANT = _pattern(rf"%(?P<name>\w+) = constant (?P<bits>0x[0-9a-f]+) : (?P<type>\w+){_CYCLES}")
INDEX = _pattern(rf"%(?P<name>\w+) = index (?P<index>.*?) : (?P<type>\w+){_CYCLES}")
LOAD = _pattern(rf"%(?P<name>\w+) = load {_ACCESS}(?: else (?P<bits>0x[0-9a-f]+))? : (?P<type>\w+){_CYCLES}{_LOC}")
OPERATION = _pattern(
    r"%(?P<name>\w+) = (?P<operation>[\w.]+)(?: (?P<predicate>\w+))?(?: (?P<operands>%\w+(?:, %\w+)*)?)? : "
    r"(?:\((?P<types>[^)]*)\) -> )?(?P<type>\w+)(?: model @(?P<model>\w+))?"
    rf"(?P<iterative> iterative(?: (?P<digits>[23]))?)?{_CYCLES}{_LOC}"
)
STORE = _pattern(rf"store %(?P<value>\w+) to {_ACCESS}{_CYCLES}{_LOC}")
