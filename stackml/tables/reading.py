"""From what people hold (pandas, polars, Arrow, NumPy, Parquet, CSV) to one pandas frame.

Every column keeps its own type here; numbers and codes are made in `encoding`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from stackml.foundation.errors import DataError, near_miss

# What pandas takes for missing by itself, but for "None": see `read_csv`.
MISSING_WORDS: Final = (
    *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA"),
    *("n/a", "NULL", "null", "NaN", "-NaN", "nan", "-nan"),
)
NONE: Final = "None"
READERS = {".parquet": "parquet", ".pq": "parquet", ".csv": "csv", ".gz": "csv", ".feather": "feather"}


def read_file(path: str | Path, *, n_rows: int | None = None) -> pd.DataFrame:
    """Read a Parquet, CSV (also ``.csv.gz``) or Feather file.

    Raises
    ------
    DataError
        If the file is absent, of another kind, or cannot be parsed.
    """
    path = Path(path)
    if not path.is_file():
        siblings = [p.name for p in path.parent.glob("*")] if path.parent.is_dir() else []
        raise DataError(f"there is no file '{path}'{near_miss(path.name, siblings)}")
    kind = READERS.get(path.suffix.lower())
    if kind is None:
        raise DataError(f"'{path.name}' is not a kind of table that can be read; use Parquet, CSV or Feather")
    try:
        if kind == "parquet":
            frame = pd.read_parquet(path)
        elif kind == "feather":
            frame = pd.read_feather(path)
        else:
            frame = read_csv(path, n_rows=n_rows)
    except pd.errors.EmptyDataError:
        raise DataError(f"'{path.name}' is empty: it has no header and no rows") from None
    except (ValueError, OSError) as error:
        raise DataError(f"'{path.name}' cannot be read as {kind}: {str(error).splitlines()[0]}") from error
    return frame if n_rows is None else frame.head(n_rows)


def read_csv(path: Path, *, n_rows: int | None = None) -> pd.DataFrame:
    """Read a CSV file, each column whole before its type is told.

    Fields in `MISSING_WORDS` are missing. "None" is missing in a column that otherwise holds
    numbers alone; elsewhere it is a word like any other.

    Raises
    ------
    ValueError, OSError
        If the file is no CSV or cannot be read.
    """
    frame = _parsed(path, list(MISSING_WORDS), n_rows)
    if not any(_numbers_but_for_none(frame[name]) for name in frame.columns):
        return frame
    missing = {
        name: [*MISSING_WORDS, NONE] if _numbers_but_for_none(frame[name]) else list(MISSING_WORDS)
        for name in frame.columns
    }
    return _parsed(path, missing, n_rows)


def _parsed(path: Path, missing: Any, n_rows: int | None) -> pd.DataFrame:
    return pd.read_csv(path, nrows=n_rows, keep_default_na=False, na_values=missing, low_memory=False)


def _numbers_but_for_none(column: pd.Series) -> bool:
    if pd.api.types.is_numeric_dtype(column.dtype):
        return False
    words = column.dropna()
    others = words[words != NONE]
    if len(others) in (0, len(words)):
        return False
    return bool(pd.to_numeric(others, errors="coerce").notna().all())


def to_frame(X: Any) -> pd.DataFrame:
    """Return rows as a pandas frame with string column names, sharing memory where possible.

    Parameters
    ----------
    X : pandas, polars or Arrow table, or array-like of shape (n_rows, n_columns)
        Arrays get the names ``x0, x1, ...``. A path reads the file.

    Raises
    ------
    DataError
        If there are no rows or no columns, names repeat, or the shape is not two-dimensional.
    TypeError
        If `X` is sparse.
    """
    if isinstance(X, str | Path):
        frame = read_file(X)
    elif isinstance(X, pd.DataFrame):
        frame = X
    elif _is_table(X):
        frame = _through_narwhals(X)
    else:
        frame = _from_array(X)
    return _with_string_names(frame)


def _is_table(X: Any) -> bool:
    return hasattr(X, "__arrow_c_stream__") or hasattr(X, "__dataframe__") or hasattr(X, "collect_schema")


def _through_narwhals(X: Any) -> pd.DataFrame:
    import narwhals.stable.v2 as nw

    try:
        native = nw.from_native(X)
    except TypeError:  # one column, or a kind of table narwhals does not know
        raise DataError(
            f"Expected 2D array, got a {type(X).__name__} instead; give a table: one column as X.to_frame(), "
            "one row as a table of one row"
        ) from None
    eager = native.collect() if isinstance(native, nw.LazyFrame) else native
    frame: pd.DataFrame = eager.to_pandas()
    return frame


def _from_array(X: Any) -> pd.DataFrame:
    import scipy.sparse

    if scipy.sparse.issparse(X):
        raise TypeError("Sparse data was passed, but dense data is required; use X.toarray() to convert it")
    array = X if isinstance(X, np.ndarray) else np.asarray(X)
    if array.dtype.kind == "c":
        raise DataError("Complex data not supported: X holds complex numbers; give real and imaginary parts")
    if array.ndim == 0:
        raise DataError(
            f"Expected 2D array, got scalar array instead: X is a {type(X).__name__}; "
            "give a DataFrame or an array"
        )
    if array.ndim != 2:
        raise DataError(
            f"Expected 2D array, got {array.ndim}D array instead. "
            "Reshape your data: rows as shape (n_rows, n_columns), one row as X.reshape(1, -1)"
        )
    _refuse_odd_objects(array)
    return pd.DataFrame(array, columns=[f"x{i}" for i in range(array.shape[1])], copy=False)


def _refuse_odd_objects(array: np.ndarray) -> None:
    if array.dtype == object and array.size:
        for value in array.ravel()[:1000]:
            if isinstance(value, dict | list | set):
                raise TypeError(
                    f"argument must be a string or a number, not '{type(value).__name__}', which a cell holds"
                )


def _with_string_names(frame: pd.DataFrame) -> pd.DataFrame:
    names = [str(name) for name in frame.columns]
    seen: set[str] = set()
    repeated = {n for n in names if n in seen or seen.add(n)}  # type: ignore[func-returns-value]  # add returns None
    if repeated:
        listed = ", ".join(f"'{n}'" for n in sorted(repeated)[:5])
        raise DataError(f"X has more than one column named {listed}; give each column a name of its own")
    if frame.shape[1] == 0:
        raise DataError(
            f"Found array with 0 feature(s) (shape={frame.shape}) while a minimum of 1 is required: "
            "X has no columns"
        )
    if frame.shape[0] == 0:
        raise DataError(
            f"Found array with 0 sample(s) (shape={frame.shape}) while a minimum of 1 is required: "
            "X has no rows"
        )
    if names != list(frame.columns):
        frame = frame.set_axis(names, axis="columns")
    return frame
