"""The models of a pipeline.yaml: every key there is, its meaning and its limits."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from stackml.combiners.catalog import make_combiner
from stackml.foundation.digest import digest
from stackml.foundation.errors import near_miss
from stackml.learners.base import Learner
from stackml.learners.catalog import LEARNERS, PRESETS, describe_learner
from stackml.metrics.catalog import get_metric

Problem = Literal["binary", "multiclass", "regression"]
SplitKind = Literal["auto", "stratified", "grouped", "temporal", "grouped_temporal"]
Calibration = Literal["auto", "none", "temperature", "beta", "isotonic"]


def _known_metric(value: Any) -> Any:
    if value is not None:
        get_metric(str(value))
    return value


def _known_combiner(value: Any) -> Any:
    if value != "auto":
        make_combiner(value)
    return value


def _number_of_layers(value: Any) -> Any:
    if value != "auto" and (type(value) is not int or not 1 <= value <= 5):
        raise ValueError(f"give a whole number from 1 to 5, or 'auto'; found {value!r}")
    return value


def _known_learners(value: Any) -> Any:
    if isinstance(value, str):
        known = (*PRESETS, *LEARNERS)
        if value not in known:
            raise ValueError(
                f"unknown preset or learner '{value}'{near_miss(value, known)}; "
                f"presets: {', '.join(PRESETS)}; learners: {', '.join(LEARNERS)}"
            )
        return value
    if not isinstance(value, list | tuple) or not value:
        raise ValueError(f"give a preset ({', '.join(PRESETS)}) or a list of learners; found {value!r}")
    for item in value:
        _check_learner(item)
    return tuple(value)


def _check_learner(item: Any) -> None:
    name, parameters = next(iter(item.items())) if isinstance(item, dict) and len(item) == 1 else (item, {})
    if name not in LEARNERS:
        raise ValueError(f"unknown learner '{name}'{near_miss(name, LEARNERS)}; known: {', '.join(LEARNERS)}")
    if not isinstance(parameters, dict):
        raise ValueError(f"learner '{name}': parameters are keys with values; found {parameters!r}")
    if parameters:
        describe_learner(name, **parameters)


MetricName = Annotated[str, BeforeValidator(_known_metric)]


class _Part(BaseModel):
    """A part of a pipeline: frozen, and no key it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


class ColumnsSpec(_Part):
    """What the columns of a table are; a key left out keeps what the catalog says.

    Attributes
    ----------
    id : tuple of str
        Columns that name a row; kept in scored files, never learned from.
    drop : tuple of str
        Columns that are not learned from: constants, leaks.
    categories : tuple of str
        Columns whose numbers are names.
    text : tuple of str
        Columns whose words are read one by one, however short the texts are.
    ordered : dict of str to tuple
        Values of a category from lowest to highest.
    protected : tuple of str
        Columns to watch for unequal treatment; they are learned from unless dropped.
    """

    id: tuple[str, ...] | None = None
    drop: tuple[str, ...] | None = None
    categories: tuple[str, ...] | None = None
    text: tuple[str, ...] | None = None
    ordered: dict[str, tuple[Any, ...]] | None = None
    protected: tuple[str, ...] | None = None


class DatasetSpec(ColumnsSpec):
    """One table of a pipeline; a key left out keeps what the catalog says.

    Attributes
    ----------
    path : str, optional
        A Parquet, CSV or Feather file of your own, seen from the project's folder; without it
        the table is the catalog's of this name.
    target : str, optional
        Column to predict.
    positive : str, int or bool, optional
        Value of the target that counts as 1.
    problem : {"binary", "multiclass", "regression"}, optional
        Told from the target where left out.
    group, time : str, optional
        Column of rows that belong together; column of the order of time.
    """

    path: str | None = None
    target: str | None = None
    positive: Any = None
    problem: Problem | None = None
    group: str | None = None
    time: str | None = None


class SplitSpec(_Part):
    """Which rows are held out and how the others are folded.

    Attributes
    ----------
    kind : {"auto", "stratified", "grouped", "temporal", "grouped_temporal"}
        "auto" follows time and groups where the table has them.
    holdout : float
        Share of the rows that nothing is learned from, within (0, 1).
    folds : int
        2 or more.
    embargo : float
        Gap between training and held-out rows under time folds: days for dates, else the
        unit of the time column.
    """

    kind: SplitKind = "auto"
    holdout: Annotated[float, Field(gt=0, lt=0.9)] = 0.2
    folds: Annotated[int, Field(ge=2, le=50)] = 5
    embargo: Annotated[float, Field(ge=0)] = 0.0


class StackSpec(_Part):
    """The stack; keys as the parameters of `StackClassifier`.

    Attributes
    ----------
    learners : str or tuple
        A preset, or a list of catalog names; ``{name: {parameter: value}}`` changes parameters.
    combiner : str
    layers : int or "auto"
    passthrough : bool
    calibration : str
    strict : bool
    time_limit : float, optional
        Seconds for the whole fit.
    metric : str, optional
        What "better" means; the first of `metrics` by default.
    """

    learners: Annotated[Any, BeforeValidator(_known_learners)] = "balanced"
    combiner: Annotated[str, BeforeValidator(_known_combiner)] = "auto"
    layers: Annotated[int | str, BeforeValidator(_number_of_layers)] = 1
    passthrough: bool = False
    calibration: Calibration = "auto"
    strict: bool = False
    time_limit: Annotated[float, Field(gt=0)] | None = 240.0
    metric: MetricName | None = None

    def wanted(self) -> str | list[str | tuple[str, Learner]]:
        """Return what `StackClassifier` takes as its learners."""
        if isinstance(self.learners, str):
            return self.learners
        return [item if isinstance(item, str) else _with_parameters(item) for item in self.learners]


def _with_parameters(item: dict[str, dict[str, Any]]) -> tuple[str, Learner]:
    ((name, parameters),) = item.items()
    return name, describe_learner(name, **parameters)


class DecisionSpec(_Part):
    """What wrong decisions cost and how many cases people can look at.

    Attributes
    ----------
    false_positive_cost, false_negative_cost : float
        Currency units per case, 0 or more.
    capacity : float, optional
        Share of the cases that can be reviewed, within (0, 1].
    """

    false_positive_cost: Annotated[float, Field(ge=0)] = 1.0
    false_negative_cost: Annotated[float, Field(ge=0)] = 1.0
    capacity: Annotated[float, Field(gt=0, le=1)] | None = None


class TrackingSpec(_Part):
    """Where the run is written to.

    Attributes
    ----------
    enabled : bool
        False trains and stores the stack without MLflow.
    uri : str, optional
        Of the tracking store; ``sqlite:///mlflow.db`` of the project's folder by default.
    experiment : str, optional
        The pipeline's name by default.
    registered_model : str, optional
        One name for the models of every table. By default models of the pipeline's default table
        bear the pipeline's name, those of another table ``PIPELINE-TABLE``.
    """

    enabled: bool = True
    uri: str | None = None
    experiment: str | None = None
    registered_model: str | None = None


class PipelineSpec(_Part):
    """A pipeline.

    Attributes
    ----------
    name : str
        Letters, digits, ``_`` and ``-``; names folders, experiment and registered models.
    description : str
    dataset : str
        The table trained on unless another is asked for.
    datasets : dict of str to DatasetSpec
        Further tables, and what is to be known about each.
    columns : ColumnsSpec
        What is to be known about the default table; `datasets` says it for the others.
    split, stack, decision, tracking
    metrics : tuple of str
        Reported with intervals on held-out rows; verdicts are spoken on `primary_metric`.
    seed : int
    n_rows : int, optional
        Rows to simulate or to draw, for quick runs.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
    description: str = ""
    dataset: str
    datasets: dict[str, DatasetSpec] = Field(default_factory=dict)
    columns: ColumnsSpec = Field(default_factory=ColumnsSpec)
    split: SplitSpec = Field(default_factory=SplitSpec)
    stack: StackSpec = Field(default_factory=StackSpec)
    metrics: tuple[MetricName, ...] = Field(min_length=1)
    decision: DecisionSpec = Field(default_factory=DecisionSpec)
    tracking: TrackingSpec = Field(default_factory=TrackingSpec)
    seed: Annotated[int, Field(ge=0)] = 0
    n_rows: Annotated[int, Field(ge=50)] | None = None

    @field_validator("datasets", mode="before")
    @classmethod
    def _empty_entries(cls, value: Any) -> Any:
        # `banksim:` alone is None in YAML and means: as the catalog has it.
        if isinstance(value, dict):
            return {name: {} if entry is None else entry for name, entry in value.items()}
        return value

    @property
    def primary_metric(self) -> str:
        """The metric verdicts are spoken on."""
        return self.stack.metric or self.metrics[0]

    @property
    def experiment(self) -> str:
        """Name of the MLflow experiment."""
        return self.tracking.experiment or self.name

    def registered_as(self, dataset: str) -> str:
        """Return the name a model trained on one of the tables is registered under.

        The champion of the plain pipeline's name always reads the default table's columns.
        """
        if self.tracking.registered_model or dataset == self.dataset:
            return self.tracking.registered_model or self.name
        plain = re.sub(r"[^A-Za-z0-9_-]+", "-", dataset).strip("-")
        return f"{self.name}-{plain or digest(dataset)[:8]}"

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of all tables of the pipeline, the default first."""
        return (self.dataset, *(name for name in self.datasets if name != self.dataset))
