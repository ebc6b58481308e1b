"""Free text as numbers: counts of words and pieces of words (TF-IDF), and a few coordinates of them.

An encoder is learned from texts alone, never from a target, like the vocabulary of a category. What
it gives a row is the same in any company: rows of a sparse matrix are summed one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp

from stackml.foundation.digest import digest
from stackml.foundation.errors import DataError
from stackml.foundation.threads import one_thread_each
from stackml.storage.fields import finite_array, names, refuse
from stackml.storage.state import State

Sparse: TypeAlias = sp.csr_matrix
Floats32: TypeAlias = npt.NDArray[np.float32]
Unit = Literal["word", "piece"]

WIDTH: Final = 64  # coordinates of a text column
MOST_TERMS: Final = 10_000  # of words and pairs of words, and as many pieces of words
MOST_TEXTS: Final = 30_000  # texts that terms and coordinates are learned from
TREES_READ: Final = 32  # of them; more take a tree long and tell it little
SHORT: Final = 300.0  # characters; of longer texts pieces of words are not counted: they take much memory
_LEAST_ROWS = 2  # a term of one row alone says nothing about another
_WORDS = r"(?u)\b\w+\b"
_ANALYSES: Mapping[str, Mapping[str, Any]] = {
    "word": {"analyzer": "word", "ngram_range": (1, 2), "token_pattern": _WORDS},
    "piece": {"analyzer": "char_wb", "ngram_range": (3, 4)},
}


@dataclass(frozen=True, eq=False)
class Terms:
    """Terms of one unit and what each weighs.

    Attributes
    ----------
    unit : {"word", "piece"}
        Words and pairs of neighbouring words, or pieces of 3 and 4 characters within words.
    words : tuple of str
        Each there once; column ``i`` counts ``words[i]``.
    rarity : float32 ndarray of shape (n_terms,)
        Inverse document frequency: ``log((1 + n) / (1 + n_with_term)) + 1``.
    """

    unit: Unit
    words: tuple[str, ...]
    rarity: Floats32

    def weigh(self, texts: Sequence[str]) -> Sparse:
        """Return TF-IDF rows of length 1 (or 0), float32 of shape (n_texts, n_terms)."""
        counts = _counts(self.unit, self._counter.transform, texts).astype(np.float32)
        counts.data = (1.0 + np.log(counts.data)) * self.rarity[counts.indices]
        return _unit_length(counts)

    @cached_property
    def _counter(self) -> Any:
        return _counter(self.unit, {word: at for at, word in enumerate(self.words)})


@dataclass(frozen=True, eq=False)
class TextEncoder:
    """How a text column becomes numbers.

    Attributes
    ----------
    terms : tuple of Terms
        One or two, of different units.
    components : float32 ndarray of shape (n_terms, width)
        Right singular vectors of the TF-IDF matrix, strongest first, of float16 precision so that a
        file holds half as much.
    """

    terms: tuple[Terms, ...]
    components: Floats32

    @property
    def width(self) -> int:
        """Number of coordinates."""
        return int(self.components.shape[1])

    @property
    def trees_read(self) -> int:
        """Number of coordinates, the strongest, that trees read."""
        return min(TREES_READ, self.width)

    @property
    def n_terms(self) -> int:
        """Number of terms that are counted."""
        return int(self.components.shape[0])

    def weigh(self, texts: Sequence[str | None]) -> tuple[Sparse, Floats32]:
        """Return what is known of each text.

        Parameters
        ----------
        texts : sequence of str or None
            None is missing. Terms that were not learned are not counted.

        Returns
        -------
        terms : float32 csr_matrix of shape (n_texts, n_terms)
            Weights of terms; a missing text has none.
        coordinates : float32 ndarray of shape (n_texts, width)
            NaN where the text is missing.
        """
        codes, distinct = pd.factorize(np.array(texts, dtype=object))
        if not len(distinct):
            empty = sp.csr_matrix((len(codes), self.n_terms), dtype=np.float32)
            return empty, np.full((len(codes), self.width), np.nan, np.float32)
        weights = self._weigh(list(distinct))
        places = np.asarray(weights @ self.components, np.float32)
        missing = codes < 0
        rows = sp.csr_matrix(weights[np.where(missing, 0, codes)])
        coordinates = places[codes]
        if missing.any():
            coordinates[missing] = np.nan
            kept = sp.diags((~missing).astype(np.float32), format="csr")
            rows = sp.csr_matrix(kept @ rows)
            rows.eliminate_zeros()
        return rows, coordinates

    def _weigh(self, texts: Sequence[str]) -> Sparse:
        blocks = [terms.weigh(texts) for terms in self.terms]
        joined = sp.hstack(blocks, format="csr") if len(blocks) > 1 else blocks[0]
        return _unit_length(sp.csr_matrix(joined))

    @cached_property
    def digest(self) -> str:
        """Content digest."""
        return digest("text", self.to_state())

    def to_state(self) -> State:
        """Return all parts as plain data."""
        return {
            "kind": "text",
            "terms": [{"unit": t.unit, "words": list(t.words), "rarity": t.rarity} for t in self.terms],
            "components": self.components.astype(np.float16),
        }

    @staticmethod
    def from_state(state: Mapping[str, Any]) -> TextEncoder:
        """Rebuild the encoder.

        Raises
        ------
        StorageError
            If its parts do not fit together.
        """
        terms = tuple(_terms_from_state(part) for part in state["terms"])
        if not terms or len({t.unit for t in terms}) != len(terms):
            refuse("a text column", "has no terms, or those of one unit twice")
        n_terms = sum(len(t.words) for t in terms)
        components = finite_array(state["components"], "a text column: components", (n_terms, None))
        if not 1 <= components.shape[1] <= WIDTH:
            refuse("a text column", f"has {components.shape[1]} coordinates")
        return TextEncoder(terms, components.astype(np.float32))


def _terms_from_state(state: Mapping[str, Any]) -> Terms:
    words = names(state["words"], "a text column: terms")
    rarity = finite_array(state["rarity"], "a text column: rarity", (len(words),))
    if state["unit"] not in _ANALYSES or not words or (rarity <= 0).any():
        refuse("a text column", "counts terms of an unknown unit, none at all, or such that weigh nothing")
    return Terms(state["unit"], words, rarity.astype(np.float32))


def learn_text(texts: Sequence[str | None]) -> TextEncoder | None:
    """Learn terms and coordinates from texts, without a target.

    TF-IDF of words, pairs of words and, of short texts, pieces of words; then the strongest singular
    vectors (latent semantic analysis: Deerwester et al. 1990, JASIS 41, 391-407).

    Parameters
    ----------
    texts : sequence of str or None
        One a row; None is missing.

    Returns
    -------
    TextEncoder or None
        None where no term occurs in two rows.
    """
    present = [text for text in texts if text is not None]
    present = present[:: -(-len(present) // MOST_TEXTS) or 1]
    short = np.mean([len(text) for text in present] or [0]) <= SHORT
    units: tuple[Unit, ...] = ("word", "piece") if short else ("word",)
    found = [_learn_terms(unit, present) for unit in units]
    terms = tuple(t for t in found if t is not None)
    if not terms:
        return None
    encoder = TextEncoder(terms, np.zeros((sum(len(t.words) for t in terms), 1), np.float32))
    codes, distinct = pd.factorize(np.array(present, dtype=object))
    weights = encoder._weigh(list(distinct))
    return TextEncoder(terms, _components(sp.csr_matrix(weights[codes])))


def _learn_terms(unit: Unit, texts: Sequence[str]) -> Terms | None:
    codes, distinct = pd.factorize(np.array(texts, dtype=object))
    repeats = np.bincount(codes, minlength=len(distinct))
    counter = _counter(unit, None)
    try:
        counts = _counts(unit, counter.fit_transform, list(distinct))
    except ValueError:  # not one term in all the texts
        return None
    rows = np.asarray((counts > 0).T @ repeats).ravel()
    words = counter.get_feature_names_out()
    order = np.argsort(-rows, kind="stable")[:MOST_TERMS]  # ties in the order of the alphabet
    kept = np.sort(order[rows[order] >= _LEAST_ROWS])
    if not kept.size:
        return None
    rarity = np.log((1.0 + len(texts)) / (1.0 + rows[kept])) + 1.0
    return Terms(unit, tuple(str(word) for word in words[kept]), rarity.astype(np.float32))


def _components(weights: Sparse) -> Floats32:
    from sklearn.decomposition import TruncatedSVD

    width = min(WIDTH, min(weights.shape) - 1)
    if width < 1:
        return np.ones((weights.shape[1], 1), np.float32)
    svd = TruncatedSVD(width, algorithm="randomized", n_iter=4, random_state=0)
    with one_thread_each():
        svd.fit(weights)
    return np.asarray(svd.components_.T.astype(np.float16), np.float32)


def _counter(unit: str, vocabulary: Mapping[str, int] | None) -> Any:
    from sklearn.feature_extraction.text import CountVectorizer

    return CountVectorizer(vocabulary=vocabulary, **_ANALYSES[unit])


def _counts(unit: str, count: Callable[[Sequence[str]], Sparse], texts: Sequence[str]) -> Sparse:
    """Return counts of terms in each text.

    Pieces never cross the space between two words, so they are cut once for each distinct word.
    """
    if unit != "piece":
        return count(texts)
    from sklearn.feature_extraction.text import CountVectorizer

    splitter = CountVectorizer(analyzer=_split)
    try:
        of_words = splitter.fit_transform(texts)
    except ValueError:  # not one word in all the texts
        return count(texts)
    counts = sp.csr_matrix(of_words @ count(splitter.get_feature_names_out().tolist()))
    counts.sort_indices()  # so that a row is summed in one order, whatever words others hold
    return counts


def _split(text: str) -> list[str]:
    return text.lower().split()


def _unit_length(rows: Sparse) -> Sparse:
    from sklearn.preprocessing import normalize

    return normalize(rows, copy=False)


def texts_of(series: pd.Series, name: str) -> list[str | None]:
    """Return the cells of a text column; numbers and categories are read as what they are written as.

    Raises
    ------
    DataError
        If a cell holds a list, an array or bytes; the message names column and row.
    """
    present = series.notna().to_numpy()
    cells = series.astype(object).to_numpy()
    found: list[str | None] = []
    for row, (cell, there) in enumerate(zip(cells, present, strict=True)):
        if not there:
            found.append(None)
        elif isinstance(cell, str):
            found.append(cell)
        elif isinstance(cell, bytes | list | tuple | dict | set | np.ndarray):
            raise DataError(
                f"column '{name}', row {row}: a cell holds a {type(cell).__name__}, where text is needed; "
                "join or decode it first"
            )
        else:
            found.append(str(cell))
    return found
