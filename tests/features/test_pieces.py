"""Pieces of a column's range: sums that give the number back, hats that stand at quantiles, gaps and ties."""

import numpy as np
import pytest

from stackml.features.pieces import NO_PIECES, pieces_between

PLACES = [np.array([-2, -1, 0, 1, 2], np.float32), np.array([-1, 1], np.float32)]


def test_pieces_tell_how_far_a_number_has_come() -> None:
    pieces = pieces_between(PLACES, 4)
    matrix = np.array([[-2, 0], [-0.5, 0], [5, 0]], np.float32)
    found = pieces.beside(matrix)
    np.testing.assert_array_equal(found[:, :2], matrix)
    np.testing.assert_allclose(found[:, 2:], [[0, 0, 0, 0], [1, 0.5, 0, 0], [1, 1, 1, 1]])
    assert found.dtype == np.float32
    assert found.shape[1] == 2 + pieces.width


def test_pieces_of_equal_width_add_up_to_the_number() -> None:
    pieces = pieces_between(PLACES, 4)
    numbers = np.linspace(-2, 2, 31, dtype=np.float32)
    found = pieces.beside(np.column_stack([numbers, numbers]))[:, 2:]
    np.testing.assert_allclose(found.sum(axis=1) - 2, numbers, atol=1e-6)


def test_hats_stand_at_quantiles_and_always_sum_to_one() -> None:
    pieces = pieces_between([PLACES[0], np.array([0, 1, 4], np.float32)], 2, hats=True)
    matrix = np.array([[-2, 0], [0, 1], [1, 4], [9, 2.5]], np.float32)
    hats = pieces.beside(matrix)[:, 2:]
    expected = [[1, 0, 0, 1, 0, 0], [0, 1, 0, 0, 1, 0], [0, 0.5, 0.5, 0, 0, 1], [0, 0, 1, 0, 0.5, 0.5]]
    np.testing.assert_allclose(hats, expected, atol=1e-6)
    assert hats.shape[1] == pieces.width == 6


@pytest.mark.parametrize("places", [[], [np.zeros(1, np.float32)], [PLACES[1]]])
def test_a_column_of_two_values_is_not_divided(places: list[np.ndarray]) -> None:
    matrix = np.ones((3, 1), np.float32)
    assert pieces_between(places, 8) is NO_PIECES
    assert NO_PIECES.beside(matrix) is matrix
    assert pieces_between(PLACES, 0) is NO_PIECES


def test_a_column_has_no_more_pieces_than_its_values_part() -> None:
    pieces = pieces_between(PLACES, 100)
    assert pieces.columns.tolist() == [0] * 4
    np.testing.assert_allclose(1 / pieces.rate, 1)
