"""A model that was tampered with is refused, with the file's name, and nothing in it is run or followed."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
from sklearn.ensemble import IsolationForest

from detector.errors import ModelError
from detector.model import kept
from detector.model.kept import CARD, ESTIMATOR, FORMAT, Model, load_model, save_model
from tests.model.conftest import FILES, make_deviations, read_card


def forge(folder: Path, name: str, content: bytes) -> None:
    """Put other content in a file and make the card agree, as an attacker would."""
    (folder / name).write_bytes(content)
    card = read_card(folder)
    card["files"][name] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    (folder / CARD).write_text(json.dumps(card))


def rezip(content: bytes, change: Callable[[dict[str, bytes]], None]) -> bytes:
    """The same zip file with other members."""
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        members = {name: packed.read(name) for name in packed.namelist()}
    change(members)
    changed = io.BytesIO()
    with zipfile.ZipFile(changed, "w") as written:
        for name, data in members.items():
            written.writestr(name, data)
    return changed.getvalue()


def forge_members(folder: Path, change: Callable[[dict[str, bytes]], None]) -> None:
    """Change the members of the estimator's file, and make the card agree."""
    forge(folder, ESTIMATOR, rezip((folder / ESTIMATOR).read_bytes(), change))


def array_name(members: dict[str, bytes], part: str, name: str) -> str:
    """The member that holds one array of one part of the estimator."""
    schema = json.loads(members["schema.json"])
    found: str = schema["content"]["content"][part]["content"]["content"][name]["file"]
    return found


def change_array(folder: Path, part: str, name: str, change: Callable[[np.ndarray[Any, Any]], Any]) -> None:
    """Change one array of the estimator, and make the card agree."""

    def edit(members: dict[str, bytes]) -> None:
        member = array_name(members, part, name)
        values = np.load(io.BytesIO(members[member]))
        content = io.BytesIO()
        np.save(content, values if (changed := change(values)) is None else changed)
        members[member] = content.getvalue()

    forge_members(folder, edit)


def change_schema(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change what skops is told to build, and make the card agree."""

    def edit(members: dict[str, bytes]) -> None:
        schema = json.loads(members["schema.json"])
        change(schema)
        members["schema.json"] = json.dumps(schema).encode()

    forge_members(folder, edit)


def put(index: int, value: float) -> Callable[[np.ndarray[Any, Any]], None]:
    """Set one value of an array."""

    def change(values: np.ndarray[Any, Any]) -> None:
        values[index] = value

    return change


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("where", [0, 0.5, -1])
def test_flipped_byte(folder: Path, name: str, where: float) -> None:
    """One flipped bit in any file is an error that names a file of the model and what to do."""
    content = bytearray((folder / name).read_bytes())
    content[int(where * len(content)) if where >= 0 else -1] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(ModelError, match=r"model/.*: found .*; expected .*; train again"):
        load_model(folder)


@pytest.mark.parametrize("name", FILES)
def test_truncated(folder: Path, name: str) -> None:
    """A file that ends early is an error that names it."""
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(ModelError, match=rf"model/{name}: found "):
        load_model(folder)


@pytest.mark.parametrize("name", FILES)
def test_missing(folder: Path, name: str) -> None:
    """A file that is not there is an error that names it."""
    (folder / name).unlink()
    with pytest.raises(ModelError, match=rf"model/{name}: found no"):
        load_model(folder)


def test_swapped_files(folder: Path) -> None:
    """Two files in each other's place are an error, also when the card agrees with them."""
    one, other = ((folder / name).read_bytes() for name in FILES[2:])
    (folder / FILES[2]).write_bytes(other)
    with pytest.raises(ModelError, match=r"calibration\.parquet: found .* SHA-256"):
        load_model(folder)
    forge(folder, FILES[2], other)
    forge(folder, FILES[3], one)
    with pytest.raises(ModelError, match=r"calibration\.parquet: found .*unknown column 'account'"):
        load_model(folder)


def test_parts_of_two_models(model: Model, folder: Path, tmp_path: Path) -> None:
    """A sound part of another model is an error: the version is of the whole."""
    other = save_model(replace(model, calibration=model.calibration[:100]), tmp_path / "other")
    forge(folder, FILES[2], (other / FILES[2]).read_bytes())
    with pytest.raises(ModelError, match=rf"found version {model.version}; expected [0-9a-f]+, by the content"):
        load_model(folder)


@pytest.mark.parametrize("other", [0, FORMAT + 1, "1", None])
def test_other_formats(folder: Path, other: object) -> None:
    """A model of another format is refused by its number, before anything else is read."""
    (folder / CARD).write_text(json.dumps(read_card(folder) | {"format": other, "unknown": 1}))
    with pytest.raises(ModelError, match=rf"found format {other!r}; expected format {FORMAT}"):
        load_model(folder)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"format": 1}', "nan", "[" * 100_000])
def test_unreadable_cards(folder: Path, text: str) -> None:
    """A card that is no card is an error that names it."""
    (folder / CARD).write_text(text)
    with pytest.raises(ModelError, match=r"card\.json: found "):
        load_model(folder)


def test_cards_with_other_files(folder: Path) -> None:
    """A card can name no other files, whose paths might lead out of the folder."""
    card = read_card(folder)
    card["files"]["../other.parquet"] = card["files"].pop("set_aside.parquet")
    (folder / CARD).write_text(json.dumps(card))
    with pytest.raises(ModelError, match=r"found files \['\.\./other\.parquet'"):
        load_model(folder)


class Evil:
    """Would leave a trace if a pickle of it were ever loaded."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        """What a pickle does when it is loaded."""
        return (Path.touch, (self.trace,))


@pytest.mark.parametrize("name", FILES)
def test_pickles_are_not_loaded(folder: Path, name: str) -> None:
    """A pickle in place of any file is refused, and never loaded."""
    trace = folder.parent / "trace"
    content = pickle.dumps(Evil(trace))
    if name == CARD:
        (folder / CARD).write_bytes(content)
    else:
        forge(folder, name, content)
    with pytest.raises(ModelError, match=rf"model/{name}: found "):
        load_model(folder)
    assert not trace.exists()


def test_pickles_in_arrays_are_not_loaded(folder: Path) -> None:
    """An array of objects, which NumPy stores as a pickle, is refused, and never loaded."""
    trace = folder.parent / "trace"
    change_array(folder, "trees_", "feature", lambda values: np.array([Evil(trace)] * len(values), dtype=object))
    with pytest.raises(ModelError, match=r"model\.skops: found it cannot be put together .*Object arrays"):
        load_model(folder)
    assert not trace.exists()


@pytest.mark.parametrize(
    ("name", "change", "complaint"),
    [
        ("left", put(0, 10**6), "child that does not stand after"),
        ("left", put(0, 0), "child that does not stand after"),
        ("right", put(0, 1), "several parents"),
        ("right", put(0, -2), "child that does not stand after"),
        ("right", put(0, -1), "leaf with children, or another node without"),
        ("feature", put(0, 12), "node 0 asks about column 12, there are 12"),
        ("feature", put(0, -2), "node 0 asks about column -2"),
        ("feature", put(-1, 3), "leaf with children, or another node without"),
        ("feature", lambda values: values[:-1], "unlike lengths"),
        ("feature", lambda values: values.astype(np.int64), "other types"),
        ("left", lambda values: values.reshape(1, -1), "unlike lengths"),
        ("threshold", put(0, np.nan), "not a finite number"),
        ("path", put(-1, -1.0), "not a finite number"),
        ("roots", put(1, 0), "roots that do not ascend"),
        ("roots", put(-1, 10**6), "roots that do not ascend"),
        ("roots", lambda values: values[:0], "roots that do not ascend"),
        ("roots", lambda values: values[:-1], "several parents"),
    ],
)
def test_broken_trees(folder: Path, name: str, change: Callable[[Any], Any], complaint: str) -> None:
    """A tree whose indices lead astray is refused, also when the card's hash agrees."""
    change_array(folder, "trees_", name, change)
    with pytest.raises(ModelError, match=rf"model\.skops: found trees_: .*{complaint}"):
        load_model(folder)


def test_endless_trees(folder: Path) -> None:
    """A tree deeper than any training set makes it is refused: scoring would run out of stack."""
    n = 999
    inner = np.arange(n) % 2 == 0
    inner[-1] = False
    node = np.arange(n, dtype=np.int32)
    parts = {
        "roots": np.array([0], dtype=np.int32),
        "feature": np.where(inner, 0, -1).astype(np.int32),
        "left": np.where(inner, node + 1, -1).astype(np.int32),
        "right": np.where(inner, node + 2, -1).astype(np.int32),
        "threshold": np.zeros(n),
        "path": np.ones(n),
    }
    for name, values in parts.items():
        change_array(folder, "trees_", name, lambda _, values=values: values)  # type: ignore[misc]
    with pytest.raises(ModelError, match="trees_: deeper than 64"):
        load_model(folder)


@pytest.mark.parametrize("part", ["tails_", "forest_tail_"])
@pytest.mark.parametrize(
    ("name", "change", "complaint"),
    [
        ("levels", lambda values: values[:, ::-1].copy(), "do not ascend"),
        ("levels", lambda values: values[:, :-1], "arrays of shapes"),
        ("levels", lambda values: values + np.inf, "not finite"),
        ("levels", lambda values: values.astype(np.float32), "not finite numbers"),
        ("surprises", lambda values: values - 1, "do not ascend from 0"),
        ("shape", lambda values: values - 1, "shape outside 0 to 0.5"),
        ("scale", lambda values: values * 0, "scale under"),
        ("scale", lambda values: values[:0], "arrays of shapes"),
    ],
)
def test_broken_tails(folder: Path, part: str, name: str, change: Callable[[Any], Any], complaint: str) -> None:
    """Tails that are not finite, not ascending or of another shape are refused, also when the card's hash agrees."""
    change_array(folder, part, name, change)
    with pytest.raises(ModelError, match=rf"model\.skops: found .*{part}: .*{complaint}"):
        load_model(folder)


@pytest.mark.parametrize(
    ("module", "name"),
    [("os", "system"), ("sklearn.ensemble._iforest", "IsolationForest"), ("sklearn.tree._tree", "Tree")],
)
def test_other_types(folder: Path, module: str, name: str) -> None:
    """An object of a type that no model has is refused, also if skops itself would trust it."""
    change_schema(folder, lambda schema: schema.update({"__module__": module, "__class__": name}))
    with pytest.raises(ModelError, match=rf"model\.skops: found an object of type {module}\.{name} .*no model has"):
        load_model(folder)


def test_other_loaders(folder: Path) -> None:
    """A trusted type that skops is told to build in another way is refused."""
    change_schema(folder, lambda schema: schema.update({"__loader__": "ConstructorFromReduceNode"}))
    with pytest.raises(ModelError, match=r"ExtractionForest \(ConstructorFromReduceNode\), which no model has"):
        load_model(folder)


def test_other_estimators(folder: Path) -> None:
    """A whole skops file of another estimator is refused."""
    forest = IsolationForest(n_estimators=2, random_state=0).fit(make_deviations(20, seed=1))
    forge(folder, ESTIMATOR, skops.io.dumps(forest))
    with pytest.raises(ModelError, match=r"model\.skops: found a skops file with|found an object of type sklearn"):
        load_model(folder)


@pytest.mark.parametrize("name", ["score_samples", "_columns_by_family", "extra"])
def test_other_attributes(folder: Path, name: str) -> None:
    """An estimator with an attribute of its own, which might stand in for a method, is refused."""

    def add(schema: dict[str, Any]) -> None:
        held = schema["content"]
        held["content"][name] = held["content"]["allowance"]
        held["key_types"]["content"].append(held["key_types"]["content"][0])

    change_schema(folder, add)
    with pytest.raises(ModelError, match=rf"model\.skops: found {name}: Extra inputs are not permitted"):
        load_model(folder)


def test_missing_parts(folder: Path) -> None:
    """An estimator, or a part of it, that lacks something is refused."""

    def drop(schema: dict[str, Any]) -> None:
        held = schema["content"]["content"]["trees_"]["content"]
        held["content"].pop("path")
        held["key_types"]["content"].pop()

    change_schema(folder, drop)
    with pytest.raises(ModelError, match="trees_: a Trees instead of Trees, or one with other parts"):
        load_model(folder)


@pytest.mark.parametrize("name", ["../../trace.npy", "/etc/trace", "extra.pkl", "0.npy/"])
def test_other_members(folder: Path, name: str) -> None:
    """A member of the zip file by another name, such as a path that leads out of it, is refused."""
    forge_members(folder, lambda members: members.update({name: b"x"}))
    with pytest.raises(ModelError, match=r"model\.skops: found a skops file with"):
        load_model(folder)


def test_zip_bombs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that would unpack to more than any model is refused before it is unpacked."""
    monkeypatch.setattr("detector.model.packing.MAX_BYTES", 1_000)
    with pytest.raises(ModelError, match=r"model\.skops: found \d+ bytes unpacked, at most 1000 are read"):
        load_model(folder)


def test_skops_files_without_a_schema(folder: Path) -> None:
    """A zip file without skops' description of its content is refused."""
    forge_members(folder, lambda members: members.update({"0.npy": members.pop("schema.json")}))
    with pytest.raises(ModelError, match=r"a skops file without one schema\.json"):
        load_model(folder)


@pytest.mark.parametrize("schema", [b"", b"[]", b'{"protocol": 1}', b"[" * 100_000])
def test_schemas_that_describe_nothing(folder: Path, schema: bytes) -> None:
    """A schema that is no schema is refused with the file's name."""
    forge_members(folder, lambda members: members.update({"schema.json": schema}))
    with pytest.raises(ModelError, match=r"model\.skops: found "):
        load_model(folder)


@pytest.mark.parametrize("strangeness", [-1.0, np.inf])
def test_impossible_calibration(model: Model, folder: Path, tmp_path: Path, strangeness: float) -> None:
    """A calibration with a strangeness that no account-day has is refused, at saving and at loading."""
    wrong = model.calibration.assign(strangeness=strangeness)
    with pytest.raises(ModelError, match=r"calibration\.parquet: found a strangeness"):
        save_model(replace(model, calibration=wrong), tmp_path / "wrong")
    forge(folder, "calibration.parquet", kept._to_parquet(kept.CALIBRATION, wrong))
    with pytest.raises(ModelError, match=r"calibration\.parquet: found a strangeness"):
        load_model(folder)


def test_columns_must_be_the_estimators(folder: Path) -> None:
    """A card with other columns than the estimator was fitted on is refused."""
    card = read_card(folder)
    (folder / CARD).write_text(json.dumps(card | {"columns": card["columns"][1:]}))
    with pytest.raises(ModelError, match=r"card\.json: found 11 columns; expected the 12 of the estimator"):
        load_model(folder)
    (folder / CARD).write_text(json.dumps(card | {"columns": card["columns"][::-1]}))
    with pytest.raises(ModelError, match=r"card\.json: found version"):
        load_model(folder)
