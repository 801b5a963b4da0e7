"""Find the professionals' accounts of a portal that are being used for mass extraction of records, and say why.

Each step of the way from a log dump to ranked accounts is one function, table in, table out. They are reached from here
by name (`detector.read`, `detector.aggregate`, …), and their modules are imported on first use only.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_PUBLIC: dict[str, str] = {
    "Case": "detector.incident.case",
    "ConfigError": "detector.errors",
    "DetectorError": "detector.errors",
    "ExtractionForest": "detector.model.forest",
    "HistoryError": "detector.errors",
    "Input": "detector.reading.mapping",
    "Mapping": "detector.reading.mapping",
    "ModelError": "detector.errors",
    "ReadError": "detector.errors",
    "SchemaError": "detector.errors",
    "Settings": "detector.settings",
    "aggregate": "detector.steps",
    "build_account_days": "detector.steps",
    "compute_deviations": "detector.steps",
    "fit_model": "detector.training",
    "learn": "detector.verbs",
    "load_mapping": "detector.reading.mapping",
    "load_model": "detector.model.kept",
    "load_settings": "detector.settings",
    "models_dir": "detector.shipped",
    "prepare_dossier": "detector.incident.dossier",
    "read": "detector.steps",
    "record": "detector.verbs",
    "save_model": "detector.model.kept",
    "score": "detector.verbs",
    "show": "detector.verbs",
    "train": "detector.verbs",
    "write_report": "detector.report.page",
    "write_results": "detector.output.files",
}
"""Public name → the module that defines it; a new public name is one line here."""

__all__ = list(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'detector' has no attribute {name!r}; it offers {', '.join(sorted(_PUBLIC))}")
    return getattr(import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})
