"""The estimator as bytes and back, with skops: no pickle, and nothing but the types that an estimator is made of."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator
from typing import Any

from detector.errors import ModelError
from detector.model.forest import ExtractionForest
from detector.model.soundness import faults

SCHEMA = "schema.json"
MAX_BYTES = 1 << 28
"""A quarter of a gigabyte unpacked: a thousand times a usual model, and no threat to a small machine."""

_OWN_TYPES = ["detector.model.forest.ExtractionForest", "detector.model.tails.Tails", "detector.model.trees.Trees"]
_NODES = frozenset(
    {
        *(("ObjectNode", name) for name in _OWN_TYPES),
        ("DictNode", "builtins.dict"),
        ("ListNode", "builtins.list"),
        ("JsonNode", "builtins.str"),
        ("TypeNode", "builtins.str"),
        ("NdArrayNode", "numpy.ndarray"),
    }
)
"""Narrower than what skops itself trusts, which includes every estimator of scikit-learn and many functions."""
_MEMBER = re.compile(r"\d{1,4}\.npy")


def pack(estimator: ExtractionForest) -> bytes:
    """Write a fitted estimator; equal estimators give equal bytes.

    Raises
    ------
    ModelError
        If the estimator holds what could not be read back.
    """
    import skops.io

    found = faults(estimator)
    if found:
        raise ModelError(f"this estimator cannot be stored: {'; '.join(found)}")
    with zipfile.ZipFile(io.BytesIO(skops.io.dumps(estimator))) as packed:
        schema = json.loads(packed.read(SCHEMA))
        arrays = list(_name_in_order(schema))
        members = [(new, packed.read(old)) for old, new in arrays]
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as written:
        for name, data in [(SCHEMA, json.dumps(schema).encode()), *members]:
            # Without a date of its own: ZipInfo's default is 1980.
            written.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return content.getvalue()


def unpack(content: bytes) -> ExtractionForest:
    """Read an estimator that `pack` wrote.

    Raises
    ------
    ValueError
        If these bytes are anything else: not a zip file, other members or types, arrays that do not fit together.
    """
    # Imported where it is used: it asks every library for every type, which takes a second.
    import skops.io

    with _opened(content) as packed:
        _refuse_members(packed)
        _refuse_types(packed)
    try:
        estimator = skops.io.loads(content, trusted=_OWN_TYPES)
    # Whatever a made-up file has the parser stumble over, it is a file that cannot be read.
    except Exception as error:
        raise ValueError(f"skops cannot read it ({type(error).__name__}: {error})") from error
    found = faults(estimator)
    if found:
        raise ValueError("; ".join(found))
    return estimator  # type: ignore[no-any-return]


def _name_in_order(state: Any) -> Iterator[tuple[str, str]]:
    """Take out object ids, which differ from run to run, and number the arrays; yields their old and new names."""
    numbers: dict[str, str] = {}
    for node in _nodes(state):
        node.pop("__id__", None)
        if "file" in node:
            node["file"] = numbers.setdefault(node["file"], f"{len(numbers)}.npy")
    yield from numbers.items()


def _nodes(state: Any) -> Iterator[dict[str, Any]]:
    """Every object in skops' schema that describes one of ours, from the outermost in."""
    if isinstance(state, dict):
        if "__loader__" in state or "__class__" in state:
            yield state
        for each in state.values():
            yield from _nodes(each)
    elif isinstance(state, list):
        for each in state:
            yield from _nodes(each)


def _opened(content: bytes) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(io.BytesIO(content))
    except zipfile.BadZipFile as error:
        raise ValueError(f"not a skops file ({error})") from error


def _refuse_members(packed: zipfile.ZipFile) -> None:
    names = packed.namelist()
    strange = [name for name in names if name != SCHEMA and not _MEMBER.fullmatch(name)]
    if strange or SCHEMA not in names or len(set(names)) < len(names):
        raise ValueError(f"a skops file with {strange[0]!r} in it" if strange else f"a skops file without one {SCHEMA}")
    size = sum(member.file_size for member in packed.infolist())
    if size > MAX_BYTES:
        raise ValueError(f"{size} bytes unpacked, at most {MAX_BYTES} are read")


def _refuse_types(packed: zipfile.ZipFile) -> None:
    try:
        nodes = list(_nodes(json.loads(packed.read(SCHEMA))))
    except (ValueError, RecursionError, zipfile.BadZipFile) as error:
        raise ValueError(f"{SCHEMA} in it cannot be read ({error})") from error
    for node in nodes:
        kind = (node.get("__loader__"), f"{node.get('__module__')}.{node.get('__class__')}")
        if kind not in _NODES:
            raise ValueError(f"an object of type {kind[1]} ({kind[0]}), which no model has")
