"""The hardware library: units with their ports, latency, generator and software model.

Names are imported when they are first asked for: who needs only number formats imports no generator.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .library import Library, NoUnit
    from .memories import Memory, delay, ram, rom
    from .unit import Port, Unit

__all__ = ["Library", "Memory", "NoUnit", "Port", "Unit", "delay", "ram", "rom"]

_HOMES = {"Library": "library", "NoUnit": "library", "Port": "unit", "Unit": "unit"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'memories')}"), name)
