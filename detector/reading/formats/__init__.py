"""The log formats: one module each, one line each in `FORMATS`."""

from __future__ import annotations

from detector.errors import ConfigError, ReadError
from detector.reading.formats.combined import COMBINED
from detector.reading.formats.delimited import DELIMITED
from detector.reading.formats.ecs import ECS
from detector.reading.formats.json_lines import JSON_LINES
from detector.reading.formats.keycloak import KEYCLOAK
from detector.reading.formats.ocsf import OCSF
from detector.reading.formats.parquet import PARQUET
from detector.reading.formats.source import Format
from detector.reading.formats.sshd import SSHD
from detector.reading.sample import Sample

# In this order: each is stricter than those after it.
FORMATS = (PARQUET, OCSF, ECS, KEYCLOAK, JSON_LINES, COMBINED, SSHD, DELIMITED)
_SHOWN = 80


def format_of(sample: Sample, *, name: str | None = None) -> Format:
    """Return the format called `name`, else the first that recognises the sample.

    Raises
    ------
    ConfigError
        If no format has that name.
    ReadError
        If none recognises the sample; it tells what was tried.
    """
    if name is not None:
        known = {form.name: form for form in FORMATS}
        if name not in known:
            raise ConfigError(f"{sample.path}: unknown input format {name!r}; expected one of {', '.join(known)}")
        return known[name]
    for form in FORMATS:
        if form.recognises(sample):
            return form
    tried = "; ".join(f"{form.name} ({form.looks_like})" for form in FORMATS)
    raise ReadError(
        f"{sample.path}: no known format; its lines are not shown, since they may hold identifiers; tried {tried}; "
        "name one with --input-format, or write a mapping"
    )
