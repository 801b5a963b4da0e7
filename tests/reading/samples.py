"""The samples of log formats, and the mappings that the documentation ships."""

from __future__ import annotations

from pathlib import Path

from detector.reading import Input, Mapping, load_mapping

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "tests" / "data"
MAPPINGS = ROOT / "docs" / "mappings"


def sample(name: str, *, mapping: str | Mapping | None = None) -> Input:
    """A sample with a shipped mapping (by name), a given one, or none."""
    found = load_mapping(MAPPINGS / f"{mapping}.toml") if isinstance(mapping, str) else mapping
    return Input(path=str(SAMPLES / name), mapping=found or Mapping())
