"""Label strings decoded step by step: against character-wise decoding spelled out, and its properties."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stackml.assembly.coupling import LEAST_PULL, coupled
from stackml.assembly.decoding import decoded
from stackml.assembly.prefix_tree import prefix_tree

words = st.text("ab1", min_size=1, max_size=3)
vocabularies = st.lists(st.lists(words, min_size=1, max_size=5, unique=True), min_size=1, max_size=4)
N = 3


def said(vocabularies, seed, alpha=1.0):
    rng = np.random.default_rng(seed)
    weights = rng.dirichlet(np.ones(len(vocabularies)))
    return [rng.dirichlet(np.full(len(v), alpha), N).T for v in vocabularies], weights


def united(vocabularies, outputs, weights, *, nested=False, pull=0.001, rest=None):
    tree = prefix_tree(vocabularies, nested)
    found = decoded(tree, outputs, rest or [None] * len(outputs), np.asarray(weights), pull)
    return dict(zip(tree.labels, found.nodes[tree.leaves], strict=True)), found.shares


def spelled_out(vocabularies, outputs, weights, nested):
    """Decode character by character, "$" ending a label, with nothing left out."""
    masses = [dict(zip(v, p, strict=True)) for v, p in zip(vocabularies, outputs, strict=True)]
    found = {}

    def ended(m, s):
        goes_on = [any(label.startswith(s) and label != s for label in mass) for mass in masses]
        return nested and s in masses[m] and not goes_on[m] and any(goes_on)

    def follow(s, probability, voters):
        voters = [m for m in voters if not ended(m, s)]
        votes = {}
        for m in voters:
            for label, p in masses[m].items():
                if label.startswith(s):
                    step = label[len(s)] if len(label) > len(s) else "$"
                    votes[step] = votes.get(step, 0) + weights[m] * p
        total = sum(votes.values())
        for step, vote in votes.items():
            if step == "$":
                found[s] = probability * vote / total
            else:
                follow(s + step, probability * vote / total, voters)

    follow("", np.ones(N), range(len(masses)))
    return found


@settings(max_examples=150, deadline=None)
@given(vocabularies, st.booleans(), st.integers(0, 2**16))
def test_the_tree_is_character_wise_decoding_without_the_steps_that_cancel(vocabularies, nested, seed):
    outputs, weights = said(vocabularies, seed)
    found, _ = united(vocabularies, outputs, weights, nested=nested, pull=np.inf)
    expected = spelled_out(vocabularies, outputs, weights, nested)
    assert set(found) == set(expected)
    for label, values in expected.items():
        np.testing.assert_allclose(found[label], values, rtol=1e-9)


@settings(max_examples=150, deadline=None)
@given(
    vocabularies,
    st.sampled_from([False, True, "1"]),
    st.sampled_from([LEAST_PULL, 1e-3, 2.0, np.inf]),
    st.sampled_from([0.02, 1.0]),
    st.integers(0, 2**16),
)
def test_it_is_a_distribution_whatever_the_order_of_the_models(vocabularies, nested, pull, alpha, seed):
    outputs, weights = said(vocabularies, seed, alpha)
    found, shares = united(vocabularies, outputs, weights, nested=nested, pull=pull)
    total = sum(found.values())
    np.testing.assert_allclose(total, 1, rtol=1e-9)
    np.testing.assert_allclose(shares.sum(axis=0), 1, rtol=1e-9)
    assert min(values.min() for values in found.values()) >= 0
    assert shares.min() >= 0
    order = np.random.default_rng(seed).permutation(len(weights))
    again, theirs = united(
        [vocabularies[m] for m in order],
        [outputs[m] for m in order],
        weights[order],
        nested=nested,
        pull=pull,
    )
    for label, values in found.items():
        np.testing.assert_allclose(again[label], values, atol=1e-5)
    np.testing.assert_allclose(theirs, shares[order], atol=1e-5)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(words, min_size=1, max_size=6, unique=True),
    st.integers(1, 4),
    st.sampled_from([False, True, "a"]),
    st.sampled_from([0.03, np.inf]),
    st.integers(0, 2**16),
)
def test_one_vocabulary_gives_the_weighted_mean_and_shares_that_are_the_weights(v, n, nested, pull, seed):
    outputs, weights = said([v] * n, seed)
    found, shares = united([v] * n, outputs, weights, nested=nested, pull=pull)
    mean = np.tensordot(weights, np.stack(outputs), axes=1)
    for label, values in zip(v, mean, strict=True):
        np.testing.assert_allclose(found[label], values, rtol=1e-9)
    np.testing.assert_allclose(shares, np.repeat(weights[:, None], N, axis=1), rtol=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**16), st.sampled_from([0.01, 0.1, 1.0]))
def test_no_other_vote_is_nearer_to_what_the_models_say(seed, pull):
    rng = np.random.default_rng(seed)
    n_models, n_options = rng.integers(2, 5), rng.integers(2, 7)
    known = rng.random((n_models, n_options)) < 0.6
    known[np.arange(n_models), rng.integers(0, n_options, n_models)] = True
    known = known[:, known.any(axis=0)]
    n_options = known.shape[1]
    weights = rng.dirichlet(np.ones(n_models))
    given_ = np.zeros(known.shape)
    for m, knows in enumerate(known):
        given_[m, knows] = rng.dirichlet(np.full(knows.sum(), 0.5))
    mean = weights @ given_

    def distance(q):
        inside = [given_[m, k] @ np.log(np.maximum(q[k], 1e-300) / q[k].sum()) for m, k in enumerate(known)]
        return -weights @ inside - pull * mean @ np.log(np.maximum(q, 1e-300))

    best = coupled(mean[:, None], known, weights[:, None], pull)[:, 0]
    for _ in range(20):
        other = best * np.exp(rng.normal(scale=0.1, size=n_options))
        assert distance(best) <= distance(other / other.sum()) + 1e-9


def test_models_without_a_label_in_common_share_by_their_weights():
    found, shares = united(
        [["a", "b"], ["c", "d"]], [np.array([[0.9], [0.1]]), np.array([[0.5], [0.5]])], [0.7, 0.3]
    )
    assert [round(float(found[x][0]), 9) for x in "abcd"] == [0.63, 0.07, 0.15, 0.15]
    np.testing.assert_allclose(shares, [[0.7], [0.3]])


def test_a_label_in_common_says_how_the_others_compare():
    # One model has a : b at 1 : 1, the other b : c at 1 : 3; so a : b : c is 1 : 1 : 3.
    outputs = [np.array([[0.5], [0.5]]), np.array([[0.25], [0.75]])]
    found, _ = united([["a", "b"], ["b", "c"]], outputs, [0.5, 0.5], pull=1e-6)
    np.testing.assert_allclose([found[x][0] for x in "abc"], [0.2, 0.2, 0.6], rtol=1e-4)
    counted, _ = united([["a", "b"], ["b", "c"]], outputs, [0.5, 0.5], pull=np.inf)
    np.testing.assert_allclose([counted[x][0] for x in "abc"], [0.25, 0.375, 0.375])


def test_a_category_is_refined_by_codes_and_its_probability_corrects_theirs():
    coarse, fine = np.array([[0.6], [0.4]]), np.array([[0.1], [0.3], [0.6]])
    codes = ["250.01", "250.02", "401"]
    found, shares = united([["250", "401"], codes], [coarse, fine], [0.5, 0.5], nested=True)
    assert list(found) == codes
    np.testing.assert_allclose([v[0] for v in found.values()], [0.5 / 4, 0.5 * 3 / 4, 0.5])
    # To a code lead two steps: of the first 0.4 of the votes is the codes' model's, of the second all.
    np.testing.assert_allclose(shares[1], 0.5 * (0.4 + 1.0) / 2 + 0.5 * 0.6)


def test_a_code_that_ends_where_others_go_on_stays_a_label_of_its_own():
    fine = np.array([[0.2], [0.3], [0.5]])
    found, _ = united(
        [["250", "V1"], ["250", "250.01", "V1"]], [np.array([[0.5], [0.5]]), fine], [1, 0], nested=True
    )
    np.testing.assert_allclose([found[x][0] for x in ("250", "250.01", "V1")], [0.2, 0.3, 0.5])


def test_a_separator_keeps_apart_what_only_begins_alike():
    outputs = [np.array([[0.5], [0.5]]), np.array([[1.0]])]
    by_any, _ = united([["42", "5"], ["428"]], outputs, [0.5, 0.5], nested=True)
    by_point, _ = united([["42", "5"], ["428"]], outputs, [0.5, 0.5], nested=".")
    assert list(by_any) == ["428", "5"]
    assert list(by_point) == ["42", "428", "5"]


def test_a_model_of_one_category_alone_says_how_it_divides_and_not_how_likely_it_is():
    coarse, clinic = np.array([[0.1], [0.9]]), np.array([[0.2], [0.8]])
    found, _ = united([["250", "401"], ["250.01", "250.02"]], [coarse, clinic], [0.5, 0.5], nested=True)
    np.testing.assert_allclose([v[0] for v in found.values()], [0.02, 0.08, 0.9], rtol=1e-9)


def test_a_category_nobody_can_divide_in_this_row_is_divided_evenly():
    coarse, fine = np.array([[1.0], [0.0]]), np.array([[0.0], [0.0], [1.0]])
    found, shares = united([["2", "4"], ["2.1", "2.2", "4"]], [coarse, fine], [0.5, 0.5], nested=True)
    np.testing.assert_allclose([v[0] for v in found.values()], [0.25, 0.25, 0.5])
    assert np.isfinite(shares).all()


def test_what_a_model_gives_to_all_it_does_not_know_goes_where_the_others_see_it():
    first, second = np.array([[0.1]]), np.array([[0.2], [0.6], [0.2]])
    found, _ = united(
        [["a"], ["a", "b", "c"]], [first, second], [0.5, 0.5], rest=[np.array([0.9]), None], pull=np.inf
    )
    np.testing.assert_allclose([found[x][0] for x in "abc"], [0.15, 0.3 + 0.45 * 0.75, 0.1 + 0.45 * 0.25])


@pytest.mark.parametrize("pull", [1e-4, 0.03])
def test_certainty_on_all_sides_ends_in_numbers(pull):
    outputs = [np.array([[1.0], [0.0]]), np.array([[0.0], [1.0]]), np.array([[1.0], [0.0]])]
    found, shares = united([["a", "b"], ["b", "c"], ["c", "d"]], outputs, [0.4, 0.3, 0.3], pull=pull)
    np.testing.assert_allclose(sum(found.values()), 1)
    assert np.isfinite(shares).all()


def test_a_very_long_label_costs_no_more_than_its_length():
    tree = prefix_tree([["a" * 1_000_000, "a"], ["b", "a"]], nested=True)
    assert len(tree.labels) == 3
