"""The trees of an isolation forest as plain arrays, and how far they isolate a row, read one-sidedly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detector.model.tails import Floats, Matrix

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


def grow_trees(X: Matrix, *, max_samples: int, **settings: Any) -> Trees:
    """Fit scikit-learn's isolation forest to `X`, of shape (n_samples, n_features), and keep its trees.

    A sparse matrix, by columns, gives the same trees as a dense one.
    """
    # Imported where trees are grown: whoever only follows them starts half a second sooner.
    from sklearn.ensemble import IsolationForest

    samples = min(max_samples, X.shape[0])
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
    return np.asarray(trees.usual_path - _steps_of(trees, X) / len(trees.roots))


def _steps_of(trees: Trees, X: Floats) -> Floats:
    """Steps to isolate each row, summed over all trees."""
    columns = np.ascontiguousarray(X.T)
    highest = _highest(trees, columns)
    matters = _matters(trees)
    steps, shortest = np.zeros(len(X)), np.empty(len(X))
    for root in trees.roots:
        _find_shortest(trees, columns, int(root), highest, matters, shortest)
        steps += shortest
    return steps


def _find_shortest(
    trees: Trees,
    columns: Floats,
    root: int,
    highest: Mapping[int, _Highest],
    matters: NDArray[np.bool_],
    shortest: Floats,
) -> None:
    """Write each row's shortest path in one tree to `shortest`; of rows, only those are touched that go right."""
    node = root
    waiting: list[tuple[int, NDArray[np.intp]]] = []
    reached: list[tuple[float, NDArray[np.intp]]] = []
    while (feature := trees.feature[node]) != LEAF:
        if matters[node]:
            waiting.append((int(trees.right[node]), highest[int(feature)].above(trees.threshold[node])))
        node = int(trees.left[node])
    usual = float(trees.path[node])
    while waiting:
        node, rows = waiting.pop()
        while len(rows) and (feature := trees.feature[node]) != LEAF:
            if matters[node]:
                beyond = rows.compress(columns[feature].take(rows) > trees.threshold[node])
                waiting.append((int(trees.right[node]), beyond))
            node = int(trees.left[node])
        if len(rows) and trees.path[node] < usual:
            reached.append((float(trees.path[node]), rows))
    shortest.fill(usual)
    # The shortest last, so that it stays.
    for path, rows in sorted(reached, key=itemgetter(0), reverse=True):
        shortest[rows] = path


class _Highest(NamedTuple):
    """Rows by one column, highest first: places of rows, and the negative of their values, ascending."""

    rows: NDArray[np.intp]
    negative: Floats

    def above(self, threshold: float) -> NDArray[np.intp]:
        """Places of the rows above a threshold."""
        return self.rows[: np.searchsorted(self.negative, -threshold, side="left")]


def _highest(trees: Trees, columns: Floats) -> dict[int, _Highest]:
    """Of each column that trees ask about, the rows above the lowest of its thresholds: few, where most are zero."""
    found = {}
    inner = trees.feature != LEAF
    lowest = np.full(len(columns), np.inf)
    np.minimum.at(lowest, trees.feature[inner], trees.threshold[inner])
    for column in np.flatnonzero(np.isfinite(lowest)):
        above = np.flatnonzero(columns[column] > lowest[column])
        negative = -columns[column][above]
        order = np.argsort(negative)
        found[int(column)] = _Highest(above[order], negative[order])
    return found


def _matters(trees: Trees) -> NDArray[np.bool_]:
    """Nodes whose right side holds a shorter path than what their rows have anyhow.

    A row that reaches a node passes the leftmost leaf below it, and those below the nodes that it came from.
    """
    levels = [trees.roots]
    while len(inner := levels[-1][trees.feature[levels[-1]] != LEAF]):
        levels.append(np.concatenate([trees.left[inner], trees.right[inner]]))
    nodes = [level[trees.feature[level] != LEAF] for level in levels]
    leftmost, least = trees.path.copy(), trees.path.copy()
    for inner in reversed(nodes):
        leftmost[inner] = leftmost[trees.left[inner]]
        least[inner] = np.minimum(least[trees.left[inner]], least[trees.right[inner]])
    had = leftmost.copy()
    matters = np.zeros(len(trees.feature), dtype=bool)
    for inner in nodes:
        left, right = trees.left[inner], trees.right[inner]
        matters[inner] = least[right] < had[inner]
        had[left] = had[inner]
        had[right] = np.minimum(had[inner], leftmost[right])
    return matters


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
