"""The estimator as bytes and back, as skops writes it: no pickle, and nothing but the types of an estimator."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np

from detector.errors import ModelError
from detector.model.forest import ExtractionForest
from detector.model.soundness import faults
from detector.model.tails import Tails
from detector.model.trees import Trees

SCHEMA = "schema.json"
MAX_BYTES = 1 << 28
"""A quarter of a gigabyte unpacked: a thousand times a usual model, and no threat to a small machine."""

_OWN_TYPES = {f"{kind.__module__}.{kind.__qualname__}": kind for kind in (ExtractionForest, Tails, Trees)}
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
    with _opened(content) as packed:
        _refuse_members(packed)
        schema = _refuse_types(packed)
        try:
            estimator = _built(schema, packed)
        # Whatever a made-up file has the parser stumble over, it is a file that cannot be read.
        except Exception as error:
            raise ValueError(f"it cannot be put together ({type(error).__name__}: {error})") from error
    found = faults(estimator)
    if found:
        raise ValueError("; ".join(found))
    return estimator  # type: ignore[no-any-return]


def _built(node: dict[str, Any], packed: zipfile.ZipFile) -> Any:
    """What a node of skops' schema describes, whose type is one of `_NODES`.

    As skops puts it together, whose import takes a second, since it asks every library for every type.
    """
    loader, content = node["__loader__"], node.get("content")
    if loader == "NdArrayNode":
        return np.load(io.BytesIO(packed.read(node["file"])), allow_pickle=False)
    if loader == "ListNode":
        return [_built(each, packed) for each in content]  # type: ignore[union-attr]
    if loader == "DictNode":
        return {name: _built(each, packed) for name, each in content.items()}  # type: ignore[union-attr]
    if loader == "ObjectNode":
        kind = _OWN_TYPES[f"{node['__module__']}.{node['__class__']}"]
        made = kind.__new__(kind)
        vars(made).update(_built(content, packed))  # type: ignore[arg-type]
        return made
    if loader == "JsonNode":
        return json.loads(content)  # type: ignore[arg-type]
    raise ValueError(f"a {loader} where a value should be")


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


def _refuse_types(packed: zipfile.ZipFile) -> dict[str, Any]:
    """The schema, every node of which is of a type that a model has."""
    try:
        schema = json.loads(packed.read(SCHEMA))
        nodes = list(_nodes(schema))
    except (ValueError, RecursionError, zipfile.BadZipFile) as error:
        raise ValueError(f"{SCHEMA} in it cannot be read ({error})") from error
    for node in nodes:
        kind = (node.get("__loader__"), f"{node.get('__module__')}.{node.get('__class__')}")
        if kind not in _NODES:
            raise ValueError(f"an object of type {kind[1]} ({kind[0]}), which no model has")
    return schema  # type: ignore[no-any-return]
