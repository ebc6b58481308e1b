from __future__ import annotations

import dataclasses

import pytest

from stackml.datasets import dataset_card, dataset_cards, simulate
from stackml.datasets.loading import SIMULATORS
from stackml.foundation.errors import DataError

CARDS = list(dataset_cards().values())
REAL = [card for card in CARDS if card.kind == "real"]


def test_the_catalog_holds_fourteen_real_tables_and_every_simulator():
    assert len(REAL) == 14
    assert {card.name for card in CARDS if card.kind == "simulated"} == set(SIMULATORS)


@pytest.mark.parametrize("card", REAL, ids=lambda card: card.name)
def test_a_real_card_is_complete(card):
    assert card.rows
    assert len(card.sha256) == len(card.values_sha256) == 64
    assert card.origin
    assert card.licence
    assert card.notes
    assert all(home.startswith("https://") for home in card.homes)
    assert (card.download is None) == bool(card.by_hand)


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_the_roles_of_a_card_are_columns_of_its_table(card):
    columns = card.columns or tuple(simulate(card.name, 100).columns)
    roles = {card.target, card.group, card.time, *card.drop, *card.protected, *card.category_codes} - {None}
    assert roles <= set(columns)
    assert card.target not in (*card.drop, *card.protected, *card.category_codes)
    assert card.exclude_rows is None or card.exclude_rows.column in columns


def test_the_task_follows_from_the_card():
    assert dataset_card("diabetes130").task == "binary"
    assert dataset_card("letter").task == "multiclass"
    assert dataset_card("diamonds").task == "regression"


def test_a_card_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'target'"):
        dataset_card("adult").target = "age"
    with pytest.raises(TypeError, match="does not support item assignment"):
        dataset_cards()["mine"] = dataset_card("adult")


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(DataError, match="unknown dataset 'bankism'; did you mean 'banksim'"):
        dataset_card("bankism")
