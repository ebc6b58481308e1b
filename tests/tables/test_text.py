import numpy as np
import pandas as pd
import pytest

from stackml.foundation.errors import DataError, SchemaError, StorageError
from stackml.storage.archive import read_archive, write_archive
from stackml.tables import Overrides, Schema, Table
from stackml.tables.text import MOST_TERMS, TREES_READ, WIDTH, TextEncoder, learn_text

SUBJECTS = ["the customer", "a neighbour", "our driver", "somebody at the desk", "the other party"]
ENDS = ["never paid the bill", "reported a stolen card", "asked for more time", "was very polite about it"]


def notes(n_rows: int = 300, seed: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)
    return [
        f"{rng.choice(SUBJECTS)} called on day {rng.integers(99)} and {rng.choice(ENDS)}"
        for _ in range(n_rows)
    ]


def frame(n_rows: int = 300, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame({"x": rng.normal(size=n_rows), "note": notes(n_rows, seed)})


def test_free_text_is_told_from_categories_and_read():
    table = Table.learn(frame())
    column = table.schema.by_name["note"]
    assert column.kind == "text"
    assert not column.unused
    assert table.numbers.shape == (300, 1 + column.encoder.width)
    assert table.terms[0].shape == (300, column.encoder.n_terms)
    lengths = np.sqrt(table.terms[0].multiply(table.terms[0]).sum(axis=1))
    np.testing.assert_allclose(lengths, 1.0, atol=1e-5)
    assert table.schema.notes() == []


def test_texts_cut_within_a_character_are_read():
    cut = frame().assign(note=pd.Series([f"{note} \ud83d" for note in notes()], dtype=object))
    table = Table.learn(cut)
    assert table.schema.by_name["note"].kind == "text"
    assert Table.of(cut.head(3), table.schema).numbers.shape == (3, table.numbers.shape[1])


def test_one_column_can_be_stated_to_be_the_other():
    words = pd.DataFrame({"x": np.arange(60.0), "make": ["Ford Focus", "Ford Fiesta", "Fiat Punto"] * 20})
    assert Table.learn(words).schema.by_name["make"].kind == "category"
    as_text = Table.learn(words, Overrides(kinds={"make": "text"}))
    assert as_text.schema.texts[0].name == "make"
    known = as_text.schema.texts[0].encoder.terms[0].words
    assert {"ford", "ford focus", "fiat"} <= set(known)
    as_category = Table.learn(frame(), Overrides(kinds={"note": "category"}))
    assert as_category.schema.by_name["note"].vocabulary
    assert as_category.terms == ()


def test_unseen_words_no_words_and_no_text_are_read():
    schema = Table.learn(frame()).schema
    rows = pd.DataFrame(
        {"x": 0.0, "note": ["zebra", "", None, np.nan, "the customer never paid", "THE CUSTOMER never  paid"]}
    )
    found = Table.of(rows, schema)
    numbers, terms = found.numbers[:, 1:], found.terms[0].toarray()
    assert (numbers[:2] == 0).all()  # nothing known is said
    assert np.isnan(numbers[2:4]).all()
    assert (terms[:4] == 0).all()
    np.testing.assert_array_equal(terms[4], terms[5])
    assert terms[4].any()


def test_a_row_is_the_same_in_any_company():
    schema = Table.learn(frame()).schema
    rows = frame(80, seed=5)
    rows.loc[3, "note"] = None
    together = Table.of(rows, schema)
    order = np.random.default_rng(0).permutation(80)
    shuffled = Table.of(rows.iloc[order], schema)
    np.testing.assert_array_equal(shuffled.numbers, together.numbers[order])
    for row in (0, 3, 41):
        alone = Table.of(rows.iloc[[row]], schema)
        np.testing.assert_array_equal(alone.numbers[0], together.numbers[row])
        np.testing.assert_array_equal(alone.terms[0].toarray()[0], together.terms[0][[row]].toarray()[0])


def test_the_digest_covers_words_and_encoder():
    table = Table.learn(frame())
    changed = frame()
    changed.loc[7, "note"] = "a neighbour was very polite about it"
    assert Table.of(changed, table.schema).digest != table.digest
    assert Table.learn(frame(seed=1)).schema.digest != table.schema.digest
    assert Table.learn(frame()).schema == table.schema


def test_what_trees_read_is_less_than_what_is_there():
    rng = np.random.default_rng(0)
    words = [f"word{i}" for i in range(400)]
    long = pd.DataFrame(
        {"x": rng.normal(size=500), "note": [" ".join(rng.choice(words, 12)) for _ in range(500)]}
    )
    table = Table.learn(long)
    assert table.numbers.shape[1] == 1 + WIDTH
    assert table.tree_numbers.shape[1] == 1 + TREES_READ
    assert table.schema.plain_slots.tolist() == [0]
    assert table.schema.n_terms[0] <= 2 * MOST_TERMS


def test_texts_of_which_nothing_can_be_learned_are_left_out_with_a_note():
    base = pd.DataFrame({"x": np.arange(26.0)})
    one = base.assign(note=["the same sentence, over and over again, word for word"] * 26)
    alone = base.assign(note=[chr(97 + i) * (3 + i) for i in range(26)])
    empty = base.assign(note=[None] * 26)
    for rows, why in ((one, "constant"), (alone, "no word of it occurs in two rows"), (empty, "missing")):
        notes_of = Table.learn(rows, Overrides(kinds={"note": "text"})).schema.notes()
        assert len(notes_of) == 1
        assert why in notes_of[0]


def test_cells_that_are_no_text_are_named():
    schema = Table.learn(frame()).schema
    rows = frame(5)
    rows["note"] = ["fine", ["a", "list"], "x", "y", "z"]
    with pytest.raises(DataError, match="column 'note', row 1: a cell holds a list, where text is needed"):
        Table.of(rows, schema)


def test_the_past_alone_teaches_words():
    rows = frame()
    rows.loc[200:, "note"] = "words of the future alone, future future"
    all_rows = Table.learn(rows)
    past = Table.of_past(rows, np.arange(200), Overrides(), all_rows.schema)
    assert "future" in all_rows.schema.texts[0].encoder.terms[0].words
    assert "future" not in past.schema.texts[0].encoder.terms[0].words
    other = rows.copy()
    other.loc[200:, "note"] = "something else"
    again = Table.of_past(other, np.arange(200), Overrides(), Table.learn(other).schema)
    assert again.schema.texts[0].encoder.digest == past.schema.texts[0].encoder.digest


def test_the_order_of_training_rows_hardly_matters_for_terms():
    texts = notes()
    one, other = learn_text(texts), learn_text(texts[::-1])
    assert [t.words for t in one.terms] == [t.words for t in other.terms]
    np.testing.assert_array_equal(one.terms[0].rarity, other.terms[0].rarity)


def test_a_schema_with_text_comes_back_from_a_file(tmp_path):
    table = Table.learn(frame())
    path = tmp_path / "schema.stack"
    write_archive(path, kind="schema", state=table.schema.to_state(), manifest={})
    back = Schema.from_state(read_archive(path, kind="schema")[1])
    assert back == table.schema
    assert Table.of(frame(60, seed=3), back).digest == Table.of(frame(60, seed=3), table.schema).digest


def test_schemas_without_text_are_stored_as_before():
    state = Table.learn(frame()[["x"]]).schema.to_state()["columns"][0]
    assert sorted(state) == sorted(
        [
            "name",
            "kind",
            "role",
            "protected",
            "ordered",
            "vocabulary",
            "offset",
            "parts",
            "calendar",
            "unused",
        ]
    )
    old = {**state, "name": "note", "kind": "text", "unused": "it is free text"}
    back = Schema.from_state({"columns": [state, old]})
    assert [c.name for c in back.read] == ["x"]


def hostile(state, **changes):
    return {**state, **changes}


HOSTILE = {
    "a word twice": lambda s: hostile(
        s, terms=[{**s["terms"][0], "words": ["a"] * len(s["terms"][0]["words"])}]
    ),
    "fewer weights": lambda s: hostile(s, terms=[{**s["terms"][0], "rarity": s["terms"][0]["rarity"][:-1]}]),
    "a weight of nothing": lambda s: hostile(
        s, terms=[{**s["terms"][0], "rarity": -s["terms"][0]["rarity"]}]
    ),
    "an unknown unit": lambda s: hostile(s, terms=[{**s["terms"][0], "unit": "sentence"}]),
    "no terms": lambda s: hostile(s, terms=[]),
    "one unit twice": lambda s: hostile(s, terms=[s["terms"][0]] * 2),
    "fewer components": lambda s: hostile(s, components=s["components"][:-1]),
    "endless components": lambda s: hostile(s, components=np.full_like(s["components"], np.inf)),
    "no coordinate": lambda s: hostile(s, components=s["components"][:, :0]),
    "too many coordinates": lambda s: hostile(
        s, components=np.ones((len(s["components"]), 1000), np.float16)
    ),
    "text for an array": lambda s: hostile(s, components="x"),
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_encoder_is_refused(change):
    state = Table.learn(frame()).schema.texts[0].encoder.to_state()
    with pytest.raises(StorageError):
        TextEncoder.from_state(change(state))


def test_a_text_without_an_encoder_is_refused():
    state = Table.learn(frame()).schema.to_state()
    column = dict(state["columns"][1])
    with pytest.raises(SchemaError, match="encoder that is not one of its kind"):
        Schema.from_state({"columns": [{**column, "encoder": {"kind": "embedding"}}]})
    del column["encoder"]
    with pytest.raises(SchemaError, match="a text that is read has no encoder"):
        Schema.from_state({"columns": [column]})
