"""What is said of a difference, word for word."""

import pytest

from stackml.metrics import Difference
from stackml.workflow.held_out import MEAN, Makeup
from stackml.workflow.verdicts import Versus, spoken, verdicts

NAN = float("nan")


def gap(value: float, low: float, high: float) -> Difference:
    return Difference(value, low, high, 0.5, 0.95, 100)


SAME = gap(0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (gap(0.031, 0.002, 0.066), "A beats B here: roc auc +0.031 [+0.002, +0.066]"),
        (
            gap(0.031, -0.002, 0.066),
            "A is ahead of B here, but within chance: roc auc +0.031 [-0.002, +0.066]",
        ),
        (gap(0.031, 0.0, 0.066), "A is ahead of B here, but within chance: roc auc +0.031 [+0.000, +0.066]"),
        (gap(-0.01, -0.05, 0.02), "A is behind B here, but within chance: roc auc -0.010 [-0.050, +0.020]"),
        (gap(-0.03, -0.05, -0.01), "A is behind B here: roc auc -0.030 [-0.050, -0.010]"),
        (gap(0.0, -0.02, 0.02), "A is level with B here, but within chance: roc auc +0.000 [-0.020, +0.020]"),
        (SAME, "A and B have the same roc auc here"),
        (gap(0.0, NAN, NAN), "A and B have the same roc auc here"),
        (gap(NAN, NAN, NAN), "A cannot be held against B here: roc auc has no value there"),
        (gap(0.03, 0.0001, 0.06), "A beats B here: roc auc +0.03000 [+0.00010, +0.06000]"),
        (gap(0.0004, 0.0001, 0.0007), "A beats B here: roc auc +0.00040 [+0.00010, +0.00070]"),
        (
            gap(1234.56, -10.0, 2000.0),
            "A is ahead of B here, but within chance: roc auc +1,234.6 [-10.0, +2,000.0]",
        ),
        (gap(2e-7, 1e-7, 3e-7), "A beats B here: roc auc +2.0e-07 [+1.0e-07, +3.0e-07]"),
    ],
)
def test_words_claim_no_more_than_the_interval(found: Difference, sentence: str) -> None:
    assert spoken("A", "B", "here", "roc_auc", found) == sentence


def test_where_less_is_better_the_sign_is_explained() -> None:
    assert spoken("A", "B", "here", "log_loss", gap(0.1, 0.05, 0.2)).endswith("(less is better; + is better)")


def said(makeup: Makeup, single: Difference = SAME, mean: Difference = SAME) -> list[str]:
    versus = [Versus("xgboost", "roc_auc", single), Versus(MEAN, "roc_auc", mean)]
    return verdicts(versus[: makeup.n_learners], makeup)


def test_a_stack_that_is_the_plain_mean_says_so() -> None:
    chosen = Makeup(6, "mean", chosen=True, calibrated=True, same_as=MEAN)
    mean, single = said(chosen, single=gap(0.03, 0.01, 0.05))
    assert mean == (
        "the stack is the plain mean of its 6 learners, calibrated: no combiner was clearly better in "
        "nested cross-validation"
    )
    assert single.startswith("the stack beats its best single learner (xgboost) on held-out rows: ")
    asked = Makeup(2, "mean", same_as=MEAN)
    assert said(asked)[0] == "the stack is the plain mean of its 2 learners, as its pipeline asks"


def test_a_stack_that_is_its_best_learner_says_so() -> None:
    single, mean = said(Makeup(6, "single", chosen=True, same_as="xgboost"), mean=gap(0.01, -0.01, 0.02))
    assert single == (
        "the stack is its best single learner (xgboost): no combination was clearly better in nested "
        "cross-validation"
    )
    assert mean.startswith(
        "the stack is ahead of the plain mean of its learners on held-out rows, but within"
    )
    alone = Makeup(4, "greedy", chosen=True, same_as="xgboost")
    assert said(alone)[0].endswith("(xgboost): the combiner 'greedy' gives no other learner weight")
    other = said(Makeup(6, "single", chosen=True, same_as="mlp"))
    assert other[0].startswith("the stack is one of its learners (mlp): ")
    assert len(other) == 3


def test_an_only_learner_is_named_once() -> None:
    assert said(Makeup(1, "single", chosen=True, same_as="xgboost")) == [
        "the stack is its only learner (xgboost)"
    ]


def test_an_only_learner_that_the_combiner_bends_is_called_the_only_one() -> None:
    (only,) = said(Makeup(1, "boosted", chosen=True), single=gap(0.01, -0.01, 0.03))
    assert only.startswith("the stack is ahead of its only learner (xgboost) on held-out rows, but within")


def test_what_calibration_did_is_told_where_it_did_something() -> None:
    chosen = Makeup(6, "mean", chosen=True, calibrated=True, same_as=MEAN)
    first, _ = said(chosen, mean=gap(-0.004, -0.009, 0.001))
    assert first.endswith(
        "; calibration is behind no calibration on held-out rows, but within chance: "
        "roc auc -0.004 [-0.009, +0.001]"
    )
