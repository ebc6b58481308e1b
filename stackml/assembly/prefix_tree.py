"""Label strings of several models as one tree of the prefixes at which the models part.

Where a model's label has ended and another's goes on from it, the label is a prefix of the tree; all
other labels hang beneath the longest such prefix they go on from. A label is ended for a model that knows
no label going on from it; a model that does means by the label itself nothing further, as ICD-9's '250'
beside '250.01'.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import numpy.typing as npt

__all__ = ["PrefixTree", "prefix_tree"]

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class PrefixTree:
    """Prefixes at which the models part, and the labels they lead to.

    Node 0 is the empty prefix; nodes are in breadth-first order, so the children of a node follow each other.

    Attributes
    ----------
    labels : tuple of str
        The union, sorted.
    leaves : int64 ndarray of shape (n_labels,)
        Node of each label.
    parent : int64 ndarray of shape (n_nodes,)
        -1 for the root.
    inner : int64 ndarray of shape (n_inner,)
        Nodes with children, parents first.
    starts : int64 ndarray of shape (n_inner,)
        First child of each of those; its children end where the next one's begin.
    places : tuple of int64 ndarray
        Node of each label of each model.
    knows : bool ndarray of shape (n_models, n_nodes)
        Whether a label of the model is at the node or beneath it.
    prefixes : dict of str to int
        Node of each string some model has as a label: the prefix's where others refine it.
    """

    labels: tuple[str, ...]
    leaves: IntArray
    parent: IntArray
    inner: IntArray
    starts: IntArray
    places: tuple[IntArray, ...]
    knows: BoolArray
    prefixes: dict[str, int]

    @property
    def n_nodes(self) -> int:
        """Number of nodes, the root included."""
        return len(self.parent)

    @cached_property
    def depth(self) -> IntArray:
        """Steps from the root to each node."""
        depth = np.zeros(self.n_nodes, dtype=np.int64)
        for node in range(1, self.n_nodes):
            depth[node] = depth[self.parent[node]] + 1
        return depth

    @cached_property
    def levels(self) -> tuple[slice, ...]:
        """Of `inner`, those at depth 0, at depth 1, and so on."""
        edges = np.searchsorted(self.depth[self.inner], np.arange(self.depth.max() + 1))
        return tuple(slice(int(a), int(b)) for a, b in pairwise(edges))

    @property
    def first_steps(self) -> slice:
        """Children of the root."""
        return self.block(0)

    def block(self, at: int) -> slice:
        """Children of the inner node at a place of `inner`."""
        end = self.starts[at + 1] if at + 1 < len(self.starts) else self.n_nodes
        return slice(int(self.starts[at]), int(end))

    def blocks(self, level: slice) -> tuple[slice, IntArray]:
        """Return the children of all inner nodes of a level, and where in them each one's begin."""
        begin, end = self.block(level.start).start, self.block(level.stop - 1).stop
        return slice(begin, end), self.starts[level] - begin


def prefix_tree(vocabularies: Sequence[Sequence[str]], nested: bool | str) -> PrefixTree:
    """Return the tree of several vocabularies.

    Parameters
    ----------
    vocabularies : sequence of sequence of str
        Labels of each model, each there once.
    nested : bool or str
        Whether a label that another model goes on from is a prefix of what that model says; as a text, only
        where it goes on with this text.
    """
    owned = [frozenset(vocabulary) for vocabulary in vocabularies]
    above = _above(frozenset().union(*owned), nested)
    begun = [frozenset(p for text in own for p in above[text]) for own in owned]
    gone_on = frozenset().union(*begun)
    ended = frozenset(
        text
        for own, on in zip(owned, begun, strict=True)
        for text in own
        if text in gone_on and text not in on
    )
    exact = frozenset(
        text for own, on in zip(owned, begun, strict=True) for text in own if text in ended and text in on
    )
    ids, parent = _numbered(above, ended, exact)
    inner, starts = np.unique(parent[1:], return_index=True)
    starts = starts + 1
    places = tuple(
        np.asarray([ids[text, text in ended and text in on] for text in vocabulary], dtype=np.int64)
        for vocabulary, on in zip(vocabularies, begun, strict=True)
    )
    knows = np.zeros((len(owned), len(parent)), dtype=bool)
    for m, nodes in enumerate(places):
        knows[m, nodes] = True
    for node in range(len(parent) - 1, 0, -1):
        knows[:, parent[node]] |= knows[:, node]
    labels = tuple(sorted((frozenset(above) - ended) | exact))
    leaves = np.asarray([ids[text, text in exact] for text in labels], dtype=np.int64)
    prefixes = {text: ids[text, False] for text in above}
    return PrefixTree(labels, leaves, parent, inner, starts, places, knows, prefixes)


def _above(texts: frozenset[str], nested: bool | str) -> dict[str, tuple[str, ...]]:
    """Return of each text the others that it goes on from, the longest first."""
    if nested is False:
        return dict.fromkeys(texts, ())
    lengths = sorted({len(text) for text in texts if text}, reverse=True)
    on = "" if nested is True else nested
    return {
        text: tuple(
            text[:n] for n in lengths if n < len(text) and text.startswith(on, n) and text[:n] in texts
        )
        for text in texts
    }


def _numbered(
    above: dict[str, tuple[str, ...]], ended: frozenset[str], exact: frozenset[str]
) -> tuple[dict[tuple[str, bool], int], IntArray]:
    """Return node of each (text, whether it is the end of that text), and the parent of each node."""
    beneath: dict[tuple[str, bool], list[tuple[str, bool]]] = {}
    for text in sorted(above):
        parent = next((prefix for prefix in above[text] if prefix in ended), "")
        beneath.setdefault((parent, False) if parent else ("", True), []).append((text, False))
        if text in exact:
            beneath.setdefault((text, False), []).insert(0, (text, True))
    order: list[tuple[str, bool]] = [("", True)]
    parents = [-1]
    for at, key in enumerate(order):  # grows as it goes
        if key in beneath:
            order.extend(beneath[key])
            parents.extend([at] * len(beneath[key]))
    ids = {key: at for at, key in enumerate(order) if at}
    return ids, np.asarray(parents, dtype=np.int64)
