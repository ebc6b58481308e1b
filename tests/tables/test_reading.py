"""CSV as a table: one rule for what is missing, one type a column."""

import pandas as pd
import pytest

from stackml.datasets.files import read_table_file
from stackml.foundation.errors import DataError
from stackml.tables.reading import MISSING_WORDS, read_file


@pytest.mark.parametrize("read", [read_file, read_table_file], ids=["a file", "a known table"])
def test_none_is_a_word_among_words_and_missing_among_numbers(read, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("kind,amount,empty,id\nNone,1.5,None,a1\nNorm,None,,a2\nNA,2,,None\n,3,NULL,a4\n")
    frame = read(path)
    assert frame["kind"].isna().tolist() == [False, False, True, True]
    assert frame["kind"][0] == "None"
    assert frame["amount"].dtype == "float64"
    assert frame["amount"].isna().tolist() == [False, True, False, False]
    assert frame["id"].tolist() == ["a1", "a2", "None", "a4"]
    assert frame["empty"][0] == "None", "nothing says that it holds numbers"


def test_everything_else_is_missing_as_pandas_has_it(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("n,word\n" + "".join(f"{i},{word}\n" for i, word in enumerate(MISSING_WORDS)))
    assert read_file(path)["word"].isna().all()
    by_default = pd.read_csv(path)
    assert by_default["word"].isna().all()


def test_a_late_word_does_not_give_a_column_two_types(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("code\n" + "1\n" * 600_000 + "x\n")
    frame = read_file(path)
    assert set(map(type, frame["code"])) == {str}


def test_a_file_that_cannot_be_read_is_told(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("")
    with pytest.raises(DataError, match=r"'rows.csv' is empty"):
        read_file(path)
    path.write_text("a,b\n1,2\n3,4,5\n")
    with pytest.raises(DataError, match=r"'rows.csv' cannot be read as csv"):
        read_file(path)
    with pytest.raises(DataError, match=r"there is no file .*; did you mean 'rows.csv'"):
        read_file(tmp_path / "row.csv")
