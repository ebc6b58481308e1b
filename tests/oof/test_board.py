"""Limits: what is begun, paced, dropped and left undone, with learners whose cost is what they say."""

from __future__ import annotations

import itertools
import sys
import threading
from dataclasses import dataclass, replace
from typing import ClassVar, final

import numpy as np
import pandas as pd
import pytest
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from stackml.learners.anomaly import HBOSLearner
from stackml.learners.base import FittedLearner, Learner
from stackml.learners.forest import RandomForestLearner
from stackml.learners.sklearn import SklearnLearner
from stackml.oof import Engine, fitting
from stackml.oof.admission import Tried, share_in_ensemble
from stackml.oof.board import SHARE_OF_PART, Board
from stackml.oof.budget import Clock, Spending
from stackml.oof.fitting import FitOutcome
from stackml.oof.fold_counts import affordable_folds, first_folds, usual_folds
from stackml.oof.pacing import LEAST_ROWS, Prices, pace
from stackml.oof.plan import OUT_OF_BAG, Job, plan_learner, plan_refit
from stackml.oof.shared import SharedPreparation
from stackml.splitting import choose_splitter
from stackml.tables import Problem, Table, Target


@dataclass(frozen=True)
class PricedLearner(Learner):
    """Says the truth with some noise; costs what it says, and sleeps as long if it has to."""

    kind: ClassVar[str] = "priced"
    noise: float = 0.1
    price: float = 1.0
    slow: float = 0.0
    trees: int = 100

    def prepare(self, table, rows=None):
        return table

    def cost(self, n_rows, n_features, n_outputs):
        return self.price * self.trees / 100

    def paced(self, share):
        return replace(self, trees=max(20, round(share * self.trees)))

    def fit(self, prepared, target, rows, stop_rows, budget, seed):
        if self.slow:
            threading.Event().wait(min(self.slow, budget.seconds or self.slow))
        chance = np.random.default_rng(seed).normal(scale=self.noise, size=target.n_rows)
        # The table's first column numbers the rows, so that any row's truth can be looked up.
        return FittedPriced(np.clip(0.2 + 0.6 * target.values + chance, 0.01, 0.99))


@final
@dataclass(frozen=True)
class OtherLearner(PricedLearner):
    """One of another kind."""

    kind: ClassVar[str] = "other"


@final
@dataclass(frozen=True)
class RoundsLearner(PricedLearner):
    """One that a probe of a few rounds can price."""

    kind: ClassVar[str] = "in rounds"

    def usual_rounds(self, n_rows):
        return 100


class FittedPriced(FittedLearner):
    kind = "priced"

    def __init__(self, truth):
        self.truth = truth

    def predict(self, table):
        return self.truth[table.numbers[:, 0].astype(int)][:, None].astype(np.float32)

    def to_state(self):
        return {"truth": self.truth}

    @classmethod
    def from_state(cls, state):
        return cls(state["truth"])


@final
@dataclass(frozen=True)
class BaggedLearner(Learner):
    """Has an out-of-bag prediction of every row, some time later."""

    kind: ClassVar[str] = "bagged"
    out_of_bag: ClassVar[frozenset[str]] = frozenset({"binary"})
    slow: float = 0.0
    knows: float = 0.0  # how far it tells the classes apart

    def prepare(self, table, rows=None):
        return table

    def fit(self, prepared, target, rows, stop_rows, budget, seed):
        return FittedPriced(np.full(target.n_rows, 0.5))

    def fit_out_of_bag(self, prepared, target, rows, budget, seed):
        threading.Event().wait(self.slow)
        out_of_bag = (0.25 + self.knows * target.values[rows, None]).astype(np.float32)
        out_of_bag[3] = np.nan  # drawn by every tree
        return self.fit(prepared, target, rows, None, budget, seed), out_of_bag


def job(n_rows=300, groups=None):
    rng = np.random.default_rng(1)
    table = Table.learn(pd.DataFrame({"row": np.arange(n_rows, dtype=float), "z": rng.normal(size=n_rows)}))
    y = (rng.random(n_rows) < 0.4).astype(np.int64)
    target = Target(Problem("binary", 2), y, groups=groups)
    folds = choose_splitter(5, groups_given=groups is not None, time_given=False).split(
        n_rows=n_rows, y_codes=y, groups=groups, time=None, seed=0
    )
    return Job(table, target, folds)


def priced(**given):
    return PricedLearner(**given)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_limit_of_work_decides_alike_however_many_fits_run_at_once(n_jobs):
    learners = [
        ("good", priced(noise=0.2, price=4.0)),
        ("noise", OtherLearner(noise=3.0, price=5.0)),
        ("fine", priced(noise=0.2, price=4.0)),
        ("large", priced(price=40.0)),
        ("small", priced(noise=0.3, price=0.1)),
        ("late", priced(price=40.0)),
    ]
    result = Engine(n_jobs=n_jobs, work=70.0).run(learners, job())
    found = {run.name: (run.status, run.learner.trees) for run in result.runs}
    assert found == {
        "good": ("fitted", 100),
        "noise": ("skipped", 79),
        "fine": ("fitted", 91),
        "large": ("skipped", 100),
        "small": ("fitted", 100),
        "late": ("skipped", 100),
    }
    reasons = {run.name: run.message for run in result.runs}
    assert reasons["noise"] == "dropped after one fold: its weight in the ensemble is 0.0%"
    assert "units of work, " in reasons["large"]


def test_another_of_a_kind_that_was_of_no_use_is_not_tried_where_that_is_dear():
    learners = [
        ("good", priced(noise=0.2, price=4.0)),
        ("noise", priced(noise=3.0, price=5.0)),
        ("alike", priced(noise=3.0, price=5.0)),
        ("late", priced(price=40.0)),
    ]
    runs = Engine(work=60.0).run(learners, job()).runs
    assert runs[1].message == "dropped after one fold: its weight in the ensemble is 0.0%"
    assert runs[2].message == "not tried: 'noise', of the same kind, was dropped"


def test_estimators_of_other_classes_are_not_of_one_kind():
    svm, other_svm = (SklearnLearner("svm", SVC(C=c, probability=True)) for c in (1.0, 2.0))
    trees = SklearnLearner("trees", DecisionTreeClassifier())
    assert svm.method == other_svm.method != trees.method
    assert svm.kind == trees.kind


@pytest.mark.parametrize("left", [1e9, 4.0, 0.0, -5.0, -9.9, -20.0])
def test_no_learner_must_have_more_than_its_part_of_the_weight(left):
    spending = Spending(Clock(), 1, work=left)
    learner = priced(price=2.0)
    board = Board([("a", learner, plan_learner("a", learner, job()))], job(), spending, Prices())
    assert 0 < board._due_share(board.candidates[0]) <= SHARE_OF_PART


def test_a_learner_that_takes_much_of_what_is_left_must_be_worth_it():
    def statuses(noise):
        learners = [
            ("good", priced(noise=0.2, price=4.0)),
            ("so", priced(noise=noise, price=8.0)),
            ("late", priced(price=90.0)),
        ]
        return [run.status for run in Engine(work=70.0).run(learners, job(3000)).runs]

    assert statuses(0.2)[1] == "fitted"
    assert statuses(0.7)[1] == "skipped"


def test_a_learner_of_no_use_is_kept_where_time_is_plentiful():
    learners = [("good", priced()), ("noise", priced(noise=3.0))]
    result = Engine(work=1e6).run(learners, job())
    assert [run.status for run in result.runs] == ["fitted", "fitted"]


def test_the_last_learner_is_dropped_too_where_it_takes_much_of_what_is_left():
    learners = [("good", priced(price=4.0)), ("noise", priced(noise=3.0, price=4.0))]
    runs = Engine(work=45.0).run(learners, job()).runs
    assert [run.status for run in runs] == ["fitted", "skipped"]
    assert runs[1].message == "dropped after 2 folds: its weight in the ensemble is 0.0%"


def test_without_a_limit_everything_asked_for_is_fitted_as_it_is():
    learners = [("good", priced(price=1e9)), ("noise", priced(noise=3.0, price=1e9))]
    result = Engine(n_jobs=2).run(learners, job())
    assert [(run.status, run.learner.trees) for run in result.runs] == [("fitted", 100)] * 2


def test_the_first_learner_is_fitted_even_when_it_costs_more_than_there_is():
    (run,) = Engine(work=1.0).run([("dear", priced(price=100.0))], job()).runs
    assert (run.status, run.learner.trees) == ("fitted", 20)


def test_a_fit_that_would_end_after_the_limit_is_not_begun():
    slow = priced(price=0.2, slow=0.2)
    clock = Clock(2.0)
    result = Engine(clock=clock).run([("first", slow), *((f"next{i}", slow) for i in range(9))], job())
    assert clock.elapsed < 8  # all of them would take ten seconds
    assert result.runs[0].fitted
    assert sum(run.status == "skipped" for run in result.runs) >= 5
    assert all(len(run.models) in (0, 5) for run in result.runs)


def test_what_is_too_dear_is_paced_then_left_out_and_if_it_must_be_fitted_learns_from_fewer_rows():
    work = job(n_rows=60_000)
    learner = priced(price=1.0)
    tasks = plan_learner("a", learner, work)

    def found(left, must=False, last=True):
        return pace(learner, tasks, work, 1.0, left, must=must, last=last)

    assert found(5.0).learner == learner
    assert found(5.0, last=False).learner.trees == 40  # others wait: no more than 0.4 of what is left
    assert found(2.0).learner.trees == 40
    assert found(0.9) is None
    assert found(0.5, must=True).learner.trees == 20
    assert found(0.9, must=True).most_rows == int(48_000 * 0.7 * 0.9)
    assert found(0.0, must=True).most_rows == LEAST_ROWS


def test_haste_takes_each_learner_down_to_half_of_its_work_and_no_further():
    work = job()
    learner = priced(price=1.0)
    tasks = plan_learner("a", learner, work)

    def trees(left, ease):
        return pace(learner, tasks, work, 1.0, left, must=False, last=False, ease=ease).learner.trees

    assert trees(100.0, 2.0) == 100
    assert trees(100.0, 0.8) == 80
    assert trees(100.0, 0.1) == 50
    assert trees(10.0, 0.8) == 80
    assert trees(10.0, 0.9) == 80  # no more than 0.4 of what is left all the same


def test_of_those_that_wait_the_dear_come_last_by_what_their_kind_has_turned_out_to_cost():
    work = job()
    learners = {
        "first": priced(price=1.0),
        "said to be dear": priced(price=15.0),
        "dear": OtherLearner(price=15.0),
        "cheap": priced(price=2.0),
    }
    planned = [(name, learner, plan_learner(name, learner, work)) for name, learner in learners.items()]
    prices = Prices()
    board = Board(planned, work, Spending(Clock(100.0), 1), prices)
    board.next_task()
    assert [c.name for c in board.candidates] == ["first", "cheap", "said to be dear", "dear"]
    prices.learn(planned[0][2][0], 0.01, None)  # that kind is a hundred times cheaper
    prices.learn(planned[2][2][0], 15.0, None)
    board.next_task()
    assert [c.name for c in board.candidates] == ["first", "said to be dear", "cheap", "dear"]


def test_anomaly_scores_come_last_however_cheap():
    work = job()
    learners = {"hbos": HBOSLearner(), "first": priced(price=1.0), "dear": priced(price=15.0)}
    planned = [(name, learner, plan_learner(name, learner, work)) for name, learner in learners.items()]
    board = Board(planned, work, Spending(Clock(100.0), 1), Prices())
    assert board.next_task()[0].name == "first"
    assert [c.name for c in board.candidates] == ["first", "dear", "hbos"]


def test_a_score_that_waits_takes_no_time_from_the_last_that_predicts():
    work = job()
    learners = {"first": priced(price=1.0), "dear": OtherLearner(price=16.0), "hbos": HBOSLearner()}
    planned = [(name, learner, plan_learner(name, learner, work)) for name, learner in learners.items()]
    board = Board(planned, work, Spending(Clock(100.0), 1), Prices())
    names = [board.next_task()[0].name for _ in range(6)]
    assert names == ["first"] * 5 + ["dear"]
    assert board.by_name["dear"].learner.trees == 100


def test_who_was_left_out_for_its_price_is_asked_again_when_the_others_are_done():
    work = job()
    learners = {"good": priced(price=12.0), "dear": OtherLearner(price=50.0)}
    planned = [(name, learner, plan_learner(name, learner, work)) for name, learner in learners.items()]
    board = Board(planned, work, Spending(Clock(100.0), 1), Prices())
    begun = [board.next_task()[0] for _ in range(5)]
    assert board.next_task() is None
    dear = board.by_name["dear"]
    assert (dear.status, dear.message) == ("skipped", "would take about 250 s, 58 s were left")
    for task in begun:
        board.finished(task, FitOutcome(FittedPriced(np.zeros(300)), np.zeros((60, 1), np.float32), 0.1))
    assert board.next_task()[0].name == "dear"
    assert set(planned[1][2]) <= set(board.released) & set(board.reclaimed)
    assert not board.news  # nothing is final


def test_the_first_that_is_asked_again_may_have_all_that_is_left():
    work = job()
    learners = {"good": priced(price=12.0), "a": OtherLearner(price=42.0), "b": OtherLearner(price=64.0)}
    planned = [(name, learner, plan_learner(name, learner, work)) for name, learner in learners.items()]
    spending = Spending(Clock(120.0), 1)
    board = Board(planned, work, spending, Prices())
    begun = [board.next_task()[0] for _ in range(5)]
    assert board.next_task() is None  # three tenths of what they want are too much while others wait
    spending.clock.started -= sum(task.cost for task in begun)
    for task in begun:
        took = FittedPriced(np.zeros(300)), np.zeros((60, 1), np.float32), task.cost
        board.finished(task, FitOutcome(*took))
    assert board.next_task()[0].name == "a"
    assert 30 < board.by_name["a"].learner.trees < 50


def test_who_was_too_dear_by_a_probe_is_probed_again_and_the_shorter_is_believed():
    work = job()
    learners = {"good": priced(price=1.0), "probed": RoundsLearner(price=6.0)}
    planned = [(name, learner, plan_learner(name, learner, work)) for name, learner in learners.items()]
    board = Board(planned, work, Spending(Clock(100.0), 1), Prices())
    begun = [board.next_task() for _ in range(6)]
    probe, is_probe = begun.pop()
    assert is_probe
    board.probed(probe, 80.0)  # something else ran beside it
    assert board.next_task() is None
    assert board.by_name["probed"].is_too_dear
    for task, _ in begun:
        board.finished(task, took(task.cost))
    again, is_probe = board.next_task()
    assert (again.name, is_probe) == ("probed", True)
    board.probed(again, 6.0)
    assert board.next_task() is not None
    assert board.by_name["probed"].learner.trees == 100
    board.prices.doubt("in rounds")
    board.prices.probe("in rounds", 1.0, 50.0)
    assert board.prices.of(RoundsLearner()) == pytest.approx(1.0)


def took(seconds):
    return FitOutcome(FittedPriced(np.zeros(300)), np.zeros((60, 1), np.float32), seconds)


def board_with_a_late_one(**others):
    """Return a board with little time left for 'late', which was begun, and all tasks that were."""
    work = replace(job(), refits=True)
    learners = {
        "first": priced(price=1.0),
        "late": priced(price=8.0),
        "dear": OtherLearner(price=9.0),
        **others,
    }
    planned = [(name, learner, plan_learner(name, learner, work)) for name, learner in learners.items()]
    board = Board(planned, work, Spending(Clock(130.0), 1), Prices())
    begun = []
    while (found := board.next_task()) is not None:
        begun.append(found[0])
    assert [task.name for task in begun[:6]] == ["first"] * 5 + ["late"]
    board.spending.clock.started -= 50.0
    return board, begun


def test_who_was_given_up_for_lateness_goes_on_where_it_was_when_time_comes_free():
    board, begun = board_with_a_late_one()
    for task in (*begun[:5], *begun[7:], *begun[5:7]):
        board.finished(
            task, took(45.0 if task.name == "dear" else task.cost)
        )  # so will its model of all rows
    resumed = [board.next_task()[0] for _ in range(3)]
    assert [(task.name, task.fold) for task in resumed] == [("late", 2), ("late", 3), ("late", 4)]
    assert board.by_name["dear"].status == "skipped"
    assert list(board.reclaimed)[-3:] == list(board.by_name["late"].tasks[2:])


def test_others_are_asked_again_where_who_was_late_is_too_late_again():
    board, begun = board_with_a_late_one(dearest=OtherLearner(price=60.0))
    assert board.by_name["dearest"].is_too_dear
    board.spending.clock.started -= 60.0
    for task in begun:
        board.finished(task, took(task.cost))
    assert board.next_task() is None
    assert [c.name for c in board.candidates if c.asked_again] == ["late", "dear", "dearest"]
    told = "late: no time was left for its next fit"
    assert told in board.news
    assert not board.by_name["late"].outcomes


def test_what_a_fit_took_is_known_though_its_learner_was_given_up_meanwhile():
    board, begun = board_with_a_late_one()
    late = board.by_name["late"]
    board._skip(late, "no time was left for its next fit", for_time=True)
    board.finished(begun[5], took(3 * begun[5].cost))
    assert board.prices.of(late.learner) == pytest.approx(3.0)
    assert list(late.outcomes) == [0]


def test_an_error_of_who_was_given_up_for_lateness_is_told_and_not_tried_again():
    board, _ = board_with_a_late_one()
    late = board.by_name["late"]
    board._skip(late, "no time was left for its next fit", for_time=True)
    n_released = len(board.released)
    assert board.failed("late", "ValueError: no")
    assert (late.status, late.message, late.is_late) == ("failed", "ValueError: no", False)
    assert len(board.released) == n_released  # that happened when it was given up


def test_where_nobody_else_could_be_fitted_who_was_late_is_finished():
    board, begun = board_with_a_late_one()
    board.finished(begun[5], took(begun[5].cost))
    board.finished(begun[6], took(begun[6].cost))
    board._skip(board.by_name["late"], "no time was left for its next fit", for_time=True)
    for name in ("first", "dear"):
        board.failed(name, "ValueError: no")
    for candidate in board.candidates:
        candidate.running = 0
    board.spending.clock.started -= 70.0
    assert [board.next_task()[0].fold for _ in range(3)] == [2, 3, 4]


@pytest.mark.parametrize(("gone", "is_probed"), [(0.0, True), (96.0, False), (200.0, False)])
def test_nothing_is_probed_where_hardly_any_time_is_left(gone, is_probed):
    work = job()
    learners = {"good": priced(price=1.0), "unknown": RoundsLearner(price=30.0)}
    planned = [(name, learner, plan_learner(name, learner, work)) for name, learner in learners.items()]
    spending = Spending(Clock(100.0), 1)
    board = Board(planned, work, spending, Prices())
    for task in [board.next_task()[0] for _ in range(5)]:
        board.finished(task, FitOutcome(FittedPriced(np.zeros(300)), np.zeros((60, 1), np.float32), 0.1))
    spending.clock.started -= gone
    found = board.next_task()
    assert (found is not None and found[1]) == is_probed
    if not is_probed:
        assert board.by_name["unknown"].status == "skipped"


def test_whoever_was_left_out_is_fitted_after_all_where_everyone_else_fails():
    class Failing(PricedLearner):
        def fit(self, *given):
            raise ValueError("no")

    learners = [("bad", Failing()), ("bad too", Failing()), ("dear", priced(price=20.0))]
    for n_jobs in (1, 6, 12):
        runs = Engine(n_jobs=n_jobs, work=8.0).run(learners, job()).runs
        assert [run.status for run in runs] == ["failed", "failed", "fitted"]


def test_a_library_that_cannot_be_imported_costs_its_own_learner_alone(monkeypatch, tmp_path):
    (tmp_path / "broken_library.py").write_text("raise ImportError('no shared object')\n")
    monkeypatch.syspath_prepend(tmp_path)

    class Broken(PricedLearner):
        library = "broken_library"

        def fit(self, *given):
            import broken_library  # noqa: F401

    bad, good = Engine().run([("bad", Broken()), ("good", priced())], job()).runs
    assert (bad.message, good.status) == ("ImportError: no shared object", "fitted")


def test_a_learner_in_haste_is_prepared_once_for_all_folds():
    prepared = []

    class Counting(PricedLearner):
        def prepare(self, table, rows=None):
            prepared.append(rows)
            return table

    (run,) = Engine(work=3.0).run([("a", Counting())], job()).runs
    assert run.learner.trees < 100
    assert len(prepared) == 1


def test_what_is_prepared_is_kept_for_tasks_that_were_released_and_claimed_again():
    tasks = plan_learner("a", priced(), job())
    shared = SharedPreparation(job(), tasks)
    for task in tasks:
        shared.release(task)
    for task in tasks:
        shared.claim(task)
    for task in tasks:
        shared.get(task)
        shared.release(task)
    assert shared.n_made == 1


def test_libraries_are_imported_whole_before_any_fit_is_begun(monkeypatch, tmp_path):
    (tmp_path / "slow_to_import.py").write_text("from time import sleep\n\nsleep(0.2)\nwhole = True\n")
    monkeypatch.syspath_prepend(tmp_path)

    class Looking(PricedLearner):
        def fit(self, *given):
            assert sys.modules["slow_to_import"].whole
            return super().fit(*given)

    class Bringing(Looking):
        library = "slow_to_import"

    try:
        result = Engine(n_jobs=2).run([("a", Looking()), ("b", Bringing())], job())
    finally:
        sys.modules.pop("slow_to_import", None)
    assert [run.message for run in result.runs] == ["", ""]


def test_folds_are_as_many_as_a_middling_learner_can_be_fitted_on():
    learners = [priced(price=100.0), priced(price=1.0), priced(price=0.01)]
    assert affordable_folds(5, learners, 1000, 5, 1, core_seconds=100.0) == 5
    assert affordable_folds(5, learners, 1000, 5, 1, core_seconds=1.4) == 3
    assert affordable_folds(5, learners, 1000, 5, 1, core_seconds=0.1) == 2


def test_a_budget_for_all_learners_is_spent_on_more_folds():
    learners = [priced(price=1.0), priced(price=2.0)]
    assert usual_folds(learners, 1000, 5, 1, core_seconds=24.0) == 8
    assert usual_folds(learners, 1000, 5, 1, core_seconds=23.0) == 5


@pytest.mark.parametrize(
    ("core_seconds", "n_rows", "n_outputs", "n_rarest", "first"),
    [
        (18.0, 25_000, 1, 9000, 5),
        (17.9, 25_000, 1, 9000, 2),
        (0.0, 12_500, 1, 6000, 2),
        (0.0, 12_499, 1, 6000, 3),
        (0.0, 4000, 1, 2000, 5),
        (0.0, 25_000, 1, 200, 3),
        (0.0, 25_000, 1, 0, 5),
        (0.0, 25_000, 26, 900, 3),
    ],
)
def test_the_first_folds_tell_a_combiner_enough(core_seconds, n_rows, n_outputs, n_rarest, first):
    learners = [priced(price=1.0), priced(price=2.0)]
    found = first_folds(5, learners, n_rows, 5, n_outputs, core_seconds, n_rarest=n_rarest)
    assert found == first


def test_out_of_bag_predictions_stand_for_folds_where_rows_are_exchangeable():
    work = job()
    (run,) = Engine(n_jobs=2).run([("bag", BaggedLearner())], work).runs
    assert len(run.models) == 1
    assert run.knows_all_rows
    assert np.allclose(run.oof, 0.25)
    assert [t.fold for t in plan_learner("bag", BaggedLearner(), work)] == [OUT_OF_BAG]
    grouped = job(groups=np.arange(300) % 40)
    assert len(plan_learner("bag", BaggedLearner(), grouped)) == 5
    # The size of a forest's leaves is chosen by all rows.
    assert len(plan_learner("bag", BaggedLearner(), replace(work, strict=True))) == 5


def test_a_refit_replaces_the_fold_models_of_the_learners_named():
    work = job()
    engine = Engine(n_jobs=2)
    result = engine.run([("a", priced()), ("b", priced(noise=0.2)), ("bag", BaggedLearner())], work)
    again = engine.refit(result, work, {"a", "bag"})
    assert [len(run.models) for run in again.runs] == [1, 5, 1]
    assert [run.refitted for run in again.runs] == [True, False, False]
    np.testing.assert_array_equal(again.runs[0].oof, result.runs[0].oof)


def test_the_longest_refits_are_begun_first():
    heard = []
    engine = Engine(1, listener=lambda event: heard.append(event.message))
    learners = [
        ("short", PricedLearner()),
        ("long", PricedLearner(price=3.0)),
        ("mid", PricedLearner(price=2.0)),
    ]
    work = job()
    engine.refit(engine.run(learners, work), work)
    assert [said for said in heard if said.endswith("all rows")] == [
        f"{name}, all rows" for name in ("long", "mid", "short")
    ]


def test_a_probe_of_a_forest_counts_all_the_trees_that_vote_out_of_the_bag(monkeypatch):
    ticks = itertools.count()
    monkeypatch.setattr(fitting, "perf_counter", lambda: float(next(ticks)))  # each fit takes a second
    work, forest = job(), RandomForestLearner()
    (bagged,) = plan_learner("a", forest, work)
    prepared = forest.prepare(work.table)
    alone = fitting.probe_task(replace(bagged, fold=0), prepared, work)
    assert fitting.probe_task(bagged, prepared, work) == pytest.approx(3.5 * alone)


def test_a_fit_the_clock_ends_gives_those_after_it_no_more_time():
    work = job()
    spending = Spending(Clock(60.0), 1)
    learner = PricedLearner()
    board = Board([("a", learner, plan_learner("a", learner, work))], work, spending, Prices(), may_skip=True)
    allowed = []
    while (found := board.next_task()) is not None:
        task, _ = found
        allowed.append(board.seconds_for(task))
        took = FitOutcome(
            learner.fit(work.table, work.target, None, None, None, 0),
            np.full((60, 1), 0.5, np.float32),
            9.0,
        )
        board.finished(task, took)
    assert len(allowed) == work.folds.n_folds
    assert allowed[-1] <= allowed[0]


def test_who_missed_a_model_of_all_rows_gets_no_later_one():
    work = job()
    engine = Engine()
    result = engine.refit(engine.run([("a", priced()), ("b", priced())], work), work)
    once = engine.refit_again(result, replace(work, seed=1, number=1), ["a"])
    twice = engine.refit_again(once, replace(work, seed=2, number=2), ["a", "b"])
    assert [len(run.models) for run in twice.runs] == [3, 1]


def test_no_time_is_kept_back_for_refits_of_refits():
    work = replace(job(), refits=True)
    spending = Spending(Clock(100.0), 1)
    tasks = {name: (plan_refit(name, priced(price=40.0), (), work),) for name in ("a", "b")}
    board = Board(
        [(n, priced(price=40.0), t) for n, t in tasks.items()], work, spending, Prices(), may_skip=False
    )
    task, _ = board.next_task()
    board.finished(task, FitOutcome(FittedPriced(np.zeros(300)), np.zeros((0, 1), np.float32), 40.0))
    assert spending.left > 90


def test_a_refit_without_time_leaves_the_fold_models_to_predict():
    work = job()
    engine = Engine(clock=Clock(1e-9))
    result = engine.run([("a", priced())], work)
    (run,) = engine.refit(result, work).runs
    assert (run.status, len(run.models)) == ("fitted", 5)
    assert run.message == "its fold models predict: no time was left for its next fit"


def test_the_share_of_a_learner_is_what_it_adds_to_those_before_it():
    rng = np.random.default_rng(0)
    y = (rng.random(2000) < 0.5).astype(np.int64)
    target = Target(Problem("binary", 2), y)
    rows = np.arange(2000)

    def says(name, noise, kind="probability"):
        p = np.clip(0.2 + 0.6 * y + rng.normal(scale=noise, size=2000), 0.01, 0.99)
        return Tried(name, kind, p[:, None].astype(np.float32))

    good = says("good", 0.2)
    assert share_in_ensemble(says("other", 0.2), [good], target, rows) > 0.3
    assert share_in_ensemble(says("noise", 5.0), [good], target, rows) < 0.01
    assert share_in_ensemble(says("score", 5.0, "score"), [good], target, rows) == 1.0
    assert share_in_ensemble(good, [], target, rows) == 1.0


def test_what_costs_next_to_nothing_of_a_limit_is_fitted_before_the_rest():
    learners = [("dear", priced(noise=0.2, price=10.0)), ("cheap", priced(noise=0.3, price=0.1))]
    told = []
    result = Engine(work=20.0, listener=told.append).run(learners, job())
    done = [event.message for event in told if event.kind == "task_done"]
    assert done[:5] == [f"cheap, fold {fold}" for fold in range(1, 6)]
    assert [run.name for run in result.runs] == ["dear", "cheap"]


@final
@dataclass(frozen=True)
class FailingLearner(Learner):
    """Costs a lot and fails."""

    kind: ClassVar[str] = "failing"

    def prepare(self, table, rows=None):
        return table

    def cost(self, n_rows, n_features, n_outputs):
        return 10.0

    def fit(self, prepared, target, rows, stop_rows, budget, seed):
        threading.Event().wait(0.05)
        raise ZeroDivisionError("no luck")


@pytest.mark.parametrize("n_jobs", [1, 3])
def test_verdicts_wait_for_those_before_however_long_they_take(n_jobs):
    work = job()
    learners = [
        ("bag", BaggedLearner(slow=0.3, knows=0.5)),
        ("noise", OtherLearner(noise=50.0, price=1.0)),
        ("dear", priced(price=4.0)),
    ]
    result = Engine(n_jobs=n_jobs, work=20.0).run(learners, work)
    assert [run.status for run in result.runs] == ["fitted", "skipped", "fitted"]
    assert result.runs[1].message.startswith("dropped after")


@pytest.mark.parametrize("n_jobs", [1, 4])
def test_where_the_first_learner_fails_those_left_out_for_their_price_are_asked_again(n_jobs):
    learners = [("bad", FailingLearner()), ("dear", priced(price=20.0))]
    result = Engine(n_jobs=n_jobs, work=8.0).run(learners, job())
    assert [run.status for run in result.runs] == ["failed", "fitted"]


def test_what_a_dropped_learner_did_not_take_is_given_back():
    spending = Spending(Clock(), 1, work=10.0)
    spending.promise("a", 5.0)
    spending.pay("a", 2.0)
    spending.refund("a")
    assert spending.left == 8.0
    spending.allow(0.5)
    assert spending.left == 3.0


def test_folds_a_user_brings_are_not_replaced_by_bags():
    assert len(plan_learner("bag", BaggedLearner(), replace(job(), deals_rows=False))) == 5
