"""The trees of an isolation forest as plain arrays, and how far they isolate a row, read one-sidedly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import IsolationForest

from detector.model.tails import Floats

Ints = NDArray[np.int32]

LEAF = -1
"""In place of a feature and of children, at leaves."""


@dataclass(frozen=True)
class Trees:
    """All trees one after the other; a node's children stand after it, in the same tree.

    Attributes
    ----------
    roots : array of shape (n_trees,)
        Place of each tree's root, ascending from 0.
    feature, left, right : arrays of shape (n_nodes,)
        Column that a node asks about, and where its children stand; `LEAF` at leaves.
    threshold : array of shape (n_nodes,)
        Rows above it go right as well; 0 at leaves.
    path : array of shape (n_nodes,)
        Steps from the root, plus those that the training rows left in a leaf would still need; 0 at other nodes.
    usual_path : float
        Steps that as many rows as one tree was grown from need on average.
    """

    roots: Ints
    feature: Ints
    left: Ints
    right: Ints
    threshold: Floats
    path: Floats
    usual_path: float


def grow_trees(X: Floats, *, max_samples: int, **settings: Any) -> Trees:
    """Fit scikit-learn's isolation forest to `X`, of shape (n_samples, n_features), and keep its trees."""
    samples = min(max_samples, len(X))
    grown = [each.tree_ for each in IsolationForest(max_samples=samples, **settings).fit(X).estimators_]
    sizes = np.array([tree.node_count for tree in grown])
    roots = np.cumsum(sizes) - sizes
    shift = np.repeat(roots, sizes)
    left, right = (np.concatenate([getattr(t, f"children_{side}") for t in grown]) for side in ("left", "right"))
    leaf = left == LEAF
    steps = np.concatenate([_steps(tree) for tree in grown]) + _usual_path(
        np.concatenate([tree.n_node_samples for tree in grown])
    )
    return Trees(
        roots=roots.astype(np.int32),
        feature=np.where(leaf, LEAF, np.concatenate([tree.feature for tree in grown])).astype(np.int32),
        left=np.where(leaf, LEAF, left + shift).astype(np.int32),
        right=np.where(leaf, LEAF, right + shift).astype(np.int32),
        threshold=np.where(leaf, 0.0, np.concatenate([tree.threshold for tree in grown])),
        path=np.where(leaf, steps, 0.0),
        usual_path=float(_usual_path(np.array([samples]))[0]),
    )


def isolation(trees: Trees, X: Floats) -> Floats:
    """How many steps sooner than usual rows are isolated, mean over trees, shape (n_samples,): higher is stranger.

    An isolation forest's score (Liu, Ting and Zhou, 2008) is 2 ** (isolation / usual_path - 1). Here it is read
    one-sidedly: a tree gives a row the shortest path among all leaves that it reaches or passes, those of the rows
    that exceed it in nothing. So a larger value never makes a row less isolated, which it may in the original.
    """
    # Rows that exceed nothing are many, and alike: the first of them is measured for all.
    usual = np.asarray(~X.any(axis=1))
    measured = ~usual
    first = np.flatnonzero(usual)[:1]
    measured[first] = True
    steps = np.zeros(len(X))
    steps[measured] = _steps_of(trees, X[measured])
    steps[usual] = steps[first]
    return np.asarray(trees.usual_path - steps / len(trees.roots))


def _steps_of(trees: Trees, X: Floats) -> Floats:
    """Steps to isolate each row, summed over all trees."""
    columns = np.ascontiguousarray(X.T)
    everyone = np.arange(len(X))
    steps = np.zeros(len(X))
    for root in trees.roots:
        steps += _shortest_path(trees, columns, int(root), everyone)
    return steps


def _shortest_path(trees: Trees, columns: Floats, node: int, rows: NDArray[np.intp]) -> Floats:
    if trees.feature[node] == LEAF:
        return np.full(len(rows), trees.path[node])
    shortest = _shortest_path(trees, columns, int(trees.left[node]), rows)
    beyond = np.flatnonzero(columns[trees.feature[node]][rows] > trees.threshold[node])
    if len(beyond):
        right = _shortest_path(trees, columns, int(trees.right[node]), rows[beyond])
        shortest[beyond] = np.minimum(shortest[beyond], right)
    return shortest


def _steps(tree: Any) -> Floats:
    """Steps from the root to each node; parents stand before their children."""
    steps = np.zeros(tree.node_count)
    for node in np.flatnonzero(tree.children_left != LEAF):
        steps[[tree.children_left[node], tree.children_right[node]]] = steps[node] + 1
    return steps


def _usual_path(n_rows: NDArray[np.int_]) -> Floats:
    """Mean steps to isolate one of `n_rows` rows: an unsuccessful search in a binary tree (Liu et al., equation 1)."""
    n = np.maximum(n_rows, 2).astype(np.float64)
    steps = 2 * (np.log(np.maximum(n - 1, 1)) + np.euler_gamma) - 2 * (n - 1) / n
    return np.where(n_rows <= 1, 0.0, np.where(n_rows == 2, 1.0, steps))
