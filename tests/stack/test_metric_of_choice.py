"""A stack that is judged and chosen by the metric its user names."""

import pytest

from stackml.metrics import get_metric


@pytest.mark.parametrize("metric", ["recall_at_0.05", "recall_at_5%", "average_precision"])
def test_a_stack_is_chosen_and_listed_by_the_metric(rows, binary, metric, classifier) -> None:
    stack = classifier(learners=["logistic", "extra_trees"], metric=metric, combiner="auto").fit(rows, binary)
    board = stack.leaderboard_.set_index("name")["score"]
    for learner in ("logistic", "extra_trees"):
        column = next(c for c in stack.oof_.columns if learner in c)
        expected = get_metric(metric).value(binary, stack.oof_[column].to_numpy())
        assert board[learner] == pytest.approx(expected)
    assert 0 < board["stack"] <= 1
