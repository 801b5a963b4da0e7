"""Find the professionals' accounts of a portal that are being used for mass extraction of records, and say why.

Each step of the way from a log dump to ranked accounts is one function, table in, table out. They are reached from here
by name (`detector.read`, `detector.aggregate`, …), and their modules are imported on first use only.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_PUBLIC: dict[str, str] = {
    "ConfigError": "detector.errors",
    "DetectorError": "detector.errors",
    "HistoryError": "detector.errors",
    "ModelError": "detector.errors",
    "ReadError": "detector.errors",
    "SchemaError": "detector.errors",
    "models_dir": "detector.shipped",
}
"""Public name → the module that defines it; a new public name is one line here."""

__all__ = list(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'detector' has no attribute {name!r}; it offers {', '.join(sorted(_PUBLIC))}")
    return getattr(import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})
