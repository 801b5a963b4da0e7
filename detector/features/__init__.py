"""The catalogue of signals: one tuple per family, in the order in which they are shown."""

from __future__ import annotations

from detector.features import rhythm, source, volume, who, writes
from detector.features.declaration import Feature

CATALOGUE: tuple[Feature, ...] = (
    *volume.FEATURES,
    *who.FEATURES,
    *source.FEATURES,
    *rhythm.FEATURES,
    *writes.FEATURES,
)


def feature(name: str) -> Feature:
    """The feature of that name."""
    return BY_NAME[name]


BY_NAME = {declared.name: declared for declared in CATALOGUE}
