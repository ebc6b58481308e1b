"""Distributions over label strings read character by character, and decoded into one over all labels.

A model's distribution over labels is one over next characters given the prefix: what it gives the labels
that go on with a character, divided by what it gives the prefix. At every step the models' distributions
are averaged, each weighed by ``w_m P_m(prefix)``: its own weight times what it gave the prefix. The
product along a label's characters is the label's probability. (Language models of different tokens are
averaged character by character, with weights that stay as given, in Gu and others, "CharED: Character-wise
ensemble decoding for large language models", arXiv:2407.11009, 2024.)

With these weights a step at which all voters know the same and no label ends telescopes: ``sum_m w_m
P_m(sc) / sum_m w_m P_m(s)`` times the like of the step before leaves no trace of ``s``. So only those
prefixes matter that the tree holds, how labels are spelled matters nowhere else, models of one vocabulary
give their weighted mean, and the order of the models is of no account.

Where its label has ended a model abstains. What is decoded is the distribution ``q`` of least ``sum_m w_m
KL(P_m || q)``, in which ``q`` gives an ended label all that goes on from it: the sum falls apart into the
steps of the tree, and the best step is the mean of those who take it. Where models know different
continuations they abstain about the others (`stackml.assembly.coupling`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stackml.assembly.coupling import coupled
from stackml.assembly.prefix_tree import PrefixTree

__all__ = ["Decoded", "decoded"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Decoded:
    """What several models say together.

    Attributes
    ----------
    nodes : float64 ndarray of shape (n_nodes, n_rows)
        Probability of each prefix; those of the labels sum to 1.
    shares : float64 ndarray of shape (n_models, n_rows)
        Each model's part in the answer; columns sum to 1. A model's part in a step to a prefix is its part
        of the votes for it; a label's is the mean over its steps; the answer's is the mean over labels by
        probability.
    """

    nodes: FloatArray
    shares: FloatArray


def decoded(
    tree: PrefixTree,
    outputs: Sequence[FloatArray],
    rest: Sequence[FloatArray | None],
    weights: FloatArray,
    pull: float,
) -> Decoded:
    """Return the probability of every prefix, and who said so.

    Parameters
    ----------
    tree : PrefixTree
    outputs : sequence of float64 ndarray of shape (n_labels_of_model, n_rows)
        Of each model over its labels in the tree; with its `rest` the columns sum to 1.
    rest : sequence of float64 ndarray of shape (n_rows,), or None
        What a model gives to all labels it does not know, if it gives them anything. It is spread over the
        steps from the root that it does not know, as the other models see them.
    weights : float64 ndarray of shape (n_models,)
        Sum to 1.
    pull : float
        See `stackml.assembly.coupling`. Infinite counts a continuation that a model does not know as 0.
    """
    masses = [_masses(tree, *of_model) for of_model in zip(tree.places, outputs, strict=True)]
    knows, top = tree.knows.copy(), tree.first_steps
    spread = {
        m: _spread(left, [mass[top] for mass in masses], weights, ~tree.knows[m, top], m)
        for m, left in enumerate(rest)
        if left is not None
    }
    for m, added in spread.items():
        masses[m][top] += added
        knows[m, top] = True
    voting = _voting(tree, knows, weights, pull)
    votes = [voting[m][:, None] * masses[m] for m in range(len(masses))]
    known = knows & (voting > 0)
    steps = _steps(tree, votes, known, pull)
    nodes = np.ones_like(steps)
    for level in tree.levels:
        block, _ = tree.blocks(level)
        nodes[block] = nodes[tree.parent[block]] * steps[block]
    return Decoded(nodes, _shares(tree, nodes, votes, voting * knows))


def _masses(tree: PrefixTree, places: IntArray, outputs: FloatArray) -> FloatArray:
    masses = np.zeros((tree.n_nodes, outputs.shape[1]))
    masses[places] = outputs
    _gather(tree, masses)
    return masses


def _gather(tree: PrefixTree, values: FloatArray) -> None:
    """Add to each node what stands beneath it."""
    for level in reversed(tree.levels):
        block, begins = tree.blocks(level)
        values[tree.inner[level]] += np.add.reduceat(values[block], begins, axis=0)


def _spread(
    left: FloatArray, masses: Sequence[FloatArray], weights: FloatArray, lacked: BoolArray, m: int
) -> FloatArray:
    """Return what model `m` gives to the steps from the root that it lacks, as the others see them."""
    others = np.zeros_like(masses[m])
    for k, of_model in enumerate(masses):
        if k != m:
            others[lacked] += weights[k] * of_model[lacked]
    total = others.sum(axis=0)
    seen = np.divide(others, total, out=np.zeros_like(others), where=total > 0)
    even = (lacked / lacked.sum())[:, None]
    return left * np.where(total > 0, seen, even)


def _voting(tree: PrefixTree, knows: BoolArray, weights: FloatArray, pull: float) -> FloatArray:
    """Return the weight with which each model votes for each node, shape (n_models, n_nodes); 0 for the root.

    A model that knows one step alone says nothing about it where another knows it among several. Where only
    models of weight 0 go on, they vote alike.
    """
    count = np.add.reduceat(knows[:, 1:], tree.starts - 1, axis=1, dtype=np.int64)
    goes_on = count > 0
    here = np.where(goes_on, weights[:, None], 0.0)
    here = np.where(here.any(axis=0), here, goes_on / len(weights))
    of_node = np.repeat(here, _sizes(tree), axis=1)
    if np.isfinite(pull):
        several = np.repeat(count > 1, _sizes(tree), axis=1) & (of_node > 0)
        seconded = knows[:, 1:] & (knows[:, 1:] & several).any(axis=0)
        mute = (count == 1) & np.logical_or.reduceat(seconded, tree.starts - 1, axis=1)
        of_node = np.where(np.repeat(mute, _sizes(tree), axis=1), 0.0, of_node)
    return np.concatenate([np.zeros((len(weights), 1)), of_node], axis=1)


def _sizes(tree: PrefixTree) -> IntArray:
    return np.diff(np.append(tree.starts, tree.n_nodes))


def _steps(tree: PrefixTree, votes: Sequence[FloatArray], known: BoolArray, pull: float) -> FloatArray:
    """Return the probability of each node given its parent, shape (n_nodes, n_rows); 1 for the root."""
    together: FloatArray = np.add.reduce(votes)[1:]
    begins, sizes = tree.starts - 1, _sizes(tree)
    total = np.add.reduceat(together, begins, axis=0)
    blank = total <= 0  # who goes on gave the prefix nothing, and who gave it something has ended
    if blank.any():
        count = np.repeat(np.add.reduceat(known[:, 1:], begins, axis=1, dtype=np.int64), sizes, axis=1)
        even = (known[:, 1:] / np.maximum(count, 1)).sum(axis=0)[:, None]
        together = np.where(np.repeat(blank, sizes, axis=0), even, together)
        total = np.add.reduceat(together, begins, axis=0)
    found = np.ones((tree.n_nodes, total.shape[1]))
    found[1:] = together / np.repeat(total, sizes, axis=0)
    if np.isinf(pull):
        return found
    every = np.logical_and.reduceat(known[:, 1:], begins, axis=1)
    some = np.logical_or.reduceat(known[:, 1:], begins, axis=1)
    for at in np.flatnonzero((every != some).any(axis=0)):
        block = tree.block(int(at))
        own = np.stack([vote[block].sum(axis=0) for vote in votes]) / total[at]
        found[block] *= np.where(blank[at], 1.0, _ratio(found[block], known[:, block], own, pull))
    return found


def _ratio(mean: FloatArray, known: BoolArray, own: FloatArray, pull: float) -> FloatArray:
    """Return by what abstaining multiplies the mean of the votes, shape (n_children, n_rows)."""
    kinds, kind = np.unique(known, axis=1, return_inverse=True)
    sums = np.stack([mean[kind == k].sum(axis=0) for k in range(kinds.shape[1])])
    agreed = coupled(sums, kinds, own, pull)
    return np.divide(agreed, sums, out=np.zeros_like(sums), where=sums > 0)[kind]


def _shares(
    tree: PrefixTree, nodes: FloatArray, votes: Sequence[FloatArray], voting: FloatArray
) -> FloatArray:
    counted = np.zeros_like(nodes)
    counted[tree.leaves] = nodes[tree.leaves] / tree.depth[tree.leaves, None]
    _gather(tree, counted)
    counted, together = counted[1:], np.add.reduce(votes)[1:]
    whole = np.where(voting.any(axis=0), voting.sum(axis=0), 1.0)[1:]
    found = np.empty((len(votes), nodes.shape[1]))
    for m, vote in enumerate(votes):
        unseen = np.broadcast_to((voting[m, 1:] / whole)[:, None], together.shape).copy()
        part = np.divide(vote[1:], together, out=unseen, where=together > 0)
        found[m] = (counted * part).sum(axis=0)
    return found / found.sum(axis=0)
