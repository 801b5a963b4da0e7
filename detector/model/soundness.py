"""Whether the arrays of a stored model are what the estimator takes them to be: checked before any is used."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from detector.model.forest import ExtractionForest
from detector.model.tails import MAX_SHAPE, MIN_SCALE, Tails
from detector.model.trees import LEAF, Ints, Trees

MAX_DEPTH = 64
"""Deeper trees would need more training rows than there are; scoring follows a tree by recursion."""

_INDICES = ("roots", "feature", "left", "right")
_NUMBERS = ("threshold", "path")


class _Parameters(BaseModel):
    """The estimator's parameters, and what it learned in single numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    families: list[str] | None
    allowance: FiniteFloat = Field(ge=0)
    forest_weight: FiniteFloat = Field(ge=0)
    n_estimators: int = Field(ge=1)
    max_samples: int = Field(ge=1)
    contamination: FiniteFloat = Field(ge=0, le=1)
    random_state: int | None
    n_jobs: int | None
    n_features_in_: int = Field(ge=1)
    offset_: FiniteFloat


def faults(estimator: Any) -> list[str]:
    """What is wrong with a fitted estimator, in words; empty if it is safe to use.

    Scoring follows the trees' indices without asking: each must lead to a later node of the same tree, and to a column
    that exists. The tails must be finite and ascending, or scores would be.
    """
    if not isinstance(estimator, ExtractionForest):
        return [f"a {type(estimator).__name__} instead of an ExtractionForest"]
    held = dict(vars(estimator))
    parts = [held.pop(name, None) for name in ("tails_", "trees_", "forest_tail_")]
    found = list(_wrong_parameters(held))
    return found or list(_wrong_parts(held, *parts))


def _wrong_parameters(held: dict[str, Any]) -> Iterator[str]:
    try:
        parameters = _Parameters.model_validate(held)
    except ValidationError as error:
        yield from (f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        return
    if parameters.families is not None and len(parameters.families) != parameters.n_features_in_:
        yield f"{len(parameters.families)} families for {parameters.n_features_in_} columns"


def _wrong_parts(held: dict[str, Any], tails: Any, trees: Any, forest_tail: Any) -> Iterator[str]:
    yield from _wrong_tails("tails_", tails, n_columns=held["n_features_in_"])
    if trees is None and forest_tail is None and not held["forest_weight"]:
        return
    yield from _wrong_tails("forest_tail_", forest_tail, n_columns=1)
    yield from _wrong_trees(trees, n_columns=held["n_features_in_"])


def _wrong_tails(name: str, tails: Any, *, n_columns: int) -> Iterator[str]:
    if not _is(tails, Tails):
        yield f"{name}: a {type(tails).__name__} instead of Tails, or one with other parts"
        return
    shapes = [np.shape(each) for each in (tails.levels, tails.surprises, tails.shape, tails.scale)]
    n_levels = shapes[0][-1] if shapes[0] else 0
    if n_levels < 1 or shapes != [(n_columns, n_levels)] * 2 + [(n_columns,)] * 2:
        yield f"{name}: arrays of shapes {shapes} for {n_columns} columns"
        return
    arrays = (tails.levels, tails.surprises, tails.shape, tails.scale)
    if not all(_are_numbers(each) for each in arrays):
        yield f"{name}: values that are not finite numbers"
    elif (np.diff(tails.levels) < 0).any() or (np.diff(tails.surprises) < 0).any() or (tails.surprises < 0).any():
        yield f"{name}: levels or surprises that do not ascend from 0"
    elif (tails.shape < 0).any() or (tails.shape > MAX_SHAPE).any() or (tails.scale < MIN_SCALE).any():
        yield f"{name}: a shape outside 0 to {MAX_SHAPE}, or a scale under {MIN_SCALE}"


def _wrong_trees(trees: Any, *, n_columns: int) -> Iterator[str]:
    if not _is(trees, Trees):
        yield f"trees_: a {type(trees).__name__} instead of Trees, or one with other parts"
    elif not _have_one_length(trees):
        yield "trees_: arrays of unlike lengths, or of other types than int32 and float64"
    elif not _are_numbers(trees.threshold) or not _are_numbers(trees.path) or (trees.path < 0).any():
        yield "trees_: a threshold or path that is not a finite number"
    elif not isinstance(trees.usual_path, float) or not 0 <= trees.usual_path < np.inf:
        yield f"trees_: a usual path of {trees.usual_path!r}"
    elif not _start_in_order(trees):
        yield "trees_: roots that do not ascend from 0 within the nodes"
    else:
        yield from _wrong_indices(trees, n_columns=n_columns)


def _wrong_indices(trees: Trees, *, n_columns: int) -> Iterator[str]:
    leaf = trees.feature == LEAF
    outside = ~leaf & ((trees.feature < 0) | (trees.feature >= n_columns))
    if outside.any():
        node = int(np.flatnonzero(outside)[0])
        yield f"trees_: node {node} asks about column {trees.feature[node]}, there are {n_columns}"
    elif (leaf != (trees.left == LEAF)).any() or (leaf != (trees.right == LEAF)).any():
        yield "trees_: a leaf with children, or another node without"
    elif not _lead_onwards(trees, ~leaf):
        yield "trees_: a child that does not stand after its parent in the same tree, or has several parents"
    elif _depth(trees) > MAX_DEPTH:
        yield f"trees_: deeper than {MAX_DEPTH}"


def _have_one_length(trees: Trees) -> bool:
    indices, numbers = ([getattr(trees, name) for name in names] for names in (_INDICES, _NUMBERS))
    if not all(isinstance(each, np.ndarray) and each.ndim == 1 for each in (*indices, *numbers)):
        return False
    typed = all(each.dtype == np.int32 for each in indices) and all(each.dtype == np.float64 for each in numbers)
    return typed and len({len(each) for each in (*indices[1:], *numbers)}) == 1


def _start_in_order(trees: Trees) -> bool:
    roots = trees.roots
    return len(roots) > 0 and roots[0] == 0 and bool((np.diff(roots) > 0).all()) and roots[-1] < len(trees.feature)


def _lead_onwards(trees: Trees, inner: NDArray[np.bool_]) -> bool:
    """Whether every node but the roots is the child of exactly one, earlier, of its own tree."""
    n_nodes = len(trees.feature)
    parents = np.flatnonzero(inner)
    ends = np.append(trees.roots[1:], n_nodes)[np.searchsorted(trees.roots, parents, side="right") - 1]
    for children in (trees.left[inner], trees.right[inner]):
        if ((children <= parents) | (children >= ends)).any():
            return False
    expected = np.ones(n_nodes, dtype=np.intp)
    expected[trees.roots] = 0
    found = np.bincount(np.concatenate([trees.left[inner], trees.right[inner]]), minlength=n_nodes)
    return bool((found == expected).all())


def _depth(trees: Trees) -> int:
    """Steps to the deepest leaf, counted no further than one beyond `MAX_DEPTH`."""
    level: Ints = trees.roots
    for depth in range(MAX_DEPTH + 1):
        level = level[trees.feature[level] != LEAF]
        if not len(level):
            return depth
        level = np.concatenate([trees.left[level], trees.right[level]])
    return MAX_DEPTH + 1


def _is(found: Any, wanted: type) -> bool:
    return isinstance(found, wanted) and set(vars(found)) == {part.name for part in fields(wanted)}


def _are_numbers(values: Any) -> bool:
    return isinstance(values, np.ndarray) and values.dtype == np.float64 and bool(np.isfinite(values).all())
