import numpy as np
import pandas as pd
import pytest

from stackml.reporting.side_by_side_figure import MOST_PANELS, side_by_side_figure


def made(metrics=("roc_auc", "log_loss"), timed=True):
    names = ["stack", "plain mean", "a learner with a name that is much too long"]
    rows = [
        {
            "model": name,
            "metric": metric,
            "value": 0.8 - 0.01 * i,
            "difference": np.nan if i == 2 else 0.02 - 0.01 * i,
            "difference_low": np.nan if i == 2 else 0.005,
            "difference_high": np.nan if i == 2 else 0.03,
            "together_low": np.nan if i == 2 else -0.005,
            "together_high": np.nan if i == 2 else 0.04,
            "verdict": "baseline" if i == 2 else "level",
            "us_per_row": 10.0 * 3**i if timed else np.nan,
            "megabytes": 0.1 * (i + 1),
            "recommended": i == 1,
        }
        for metric in metrics
        for i, name in enumerate(names)
    ]
    return pd.DataFrame(rows)


def labels(axes):
    return [text.get_text() for text in axes.get_yticklabels()]


def test_a_panel_a_metric_and_one_for_the_cost():
    table = made()
    before = table.copy()
    figure = side_by_side_figure(table)
    pd.testing.assert_frame_equal(table, before)
    auc, loss, cost = figure.axes
    assert auc.get_title(loc="left") == "roc auc"
    assert labels(auc) == ["stack", "plain mean", "a learner with a name t..."]
    assert "right is better" in loss.get_xlabel()
    assert cost.get_xlabel() == "microseconds a row, one thread"
    named = {text.get_text(): text.get_fontweight() for text in cost.texts}
    assert named == {"stack": "normal", "plain mean": "bold", "a learner with a name t...": "normal"}


def test_labels_of_points_do_not_touch(tmp_path):
    table = made(("log_loss",)).assign(value=0.5)
    cost = side_by_side_figure(table).axes[-1]
    places = sorted(text.get_position()[1] for text in cost.texts)
    assert min(np.diff(places)) >= 0.089
    assert 0 <= places[0] <= places[-1] <= 1


@pytest.mark.parametrize("timed", [True, False])
def test_it_is_drawn_with_and_without_times_and_for_many_metrics(timed, tmp_path):
    metrics = ("log_loss", "roc_auc", "brier", "accuracy", "f1")
    figure = side_by_side_figure(made(metrics, timed))
    assert len(figure.axes) == MOST_PANELS + 1
    assert figure.axes[-1].get_xlabel() == ("microseconds a row, one thread" if timed else "megabytes")
    figure.savefig(tmp_path / "f.png")
    assert (tmp_path / "f.png").stat().st_size > 1000
