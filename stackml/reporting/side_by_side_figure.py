"""Models side by side as a figure: differences with intervals, and score against time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from stackml.metrics import get_metric

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = {"better": "#1b7837", "worse": "#b2182b", "level": "#555555"}
PLAIN = "#555555"
TAKEN = "#2166ac"
MOST_PANELS = 3  # of differences; the first metrics
_LABEL = 26  # characters of a name
_ROW = 0.34  # inches


def side_by_side_figure(table: pd.DataFrame) -> Figure:
    """Draw models side by side.

    A panel a metric shows each model's difference to the baseline, right for better, with the
    interval that holds for all differences together (thick: of this difference alone). The last
    panel shows the first metric against microseconds a row, or megabytes where no times are known.

    Parameters
    ----------
    table : DataFrame
        As `stackml.workflow.side_by_side.Comparison.table`.

    Returns
    -------
    matplotlib.figure.Figure
        ``figure.savefig("models.png")`` writes it.
    """
    from matplotlib.figure import Figure

    metrics = list(dict.fromkeys(table["metric"]))[:MOST_PANELS]
    by_metric = {metric: table[table["metric"] == metric].reset_index(drop=True) for metric in metrics}
    first = by_metric[metrics[0]]
    height = 1.5 + _ROW * max(4, len(first))
    figure = Figure(figsize=(3.6 + 3.0 * len(metrics) + 4.2, height), layout="constrained", dpi=110)
    axes = figure.subplots(1, len(metrics) + 1, width_ratios=[*[3.0] * len(metrics), 4.2], squeeze=False)[0]
    for number, (metric, rows) in enumerate(by_metric.items()):
        _draw_differences(axes[number], rows, metric, named=number == 0)
    _draw_costs(axes[-1], first, metrics[0])
    return figure


def _draw_differences(axes: Axes, rows: pd.DataFrame, metric: str, *, named: bool) -> None:
    places = np.arange(len(rows))[::-1]
    axes.axvline(0.0, color="#999999", linewidth=0.8, zorder=0)
    for place, row in zip(places, rows.to_dict("records"), strict=True):
        if row["verdict"] == "baseline":
            axes.plot([0.0], [place], marker="D", markersize=5, color="black", markerfacecolor="white")
            continue
        colour = COLOURS.get(row["verdict"], PLAIN)
        axes.hlines(place, row["together_low"], row["together_high"], color=colour, linewidth=1.1)
        axes.hlines(place, row["difference_low"], row["difference_high"], color=colour, linewidth=2.8)
        axes.plot([row["difference"]], [place], marker="o", markersize=5, color=colour)
    baseline = str(rows.loc[rows["verdict"] == "baseline", "model"].iloc[0])
    axes.set_yticks(places, [_short(str(name)) for name in rows["model"]] if named else [""] * len(rows))
    if named:
        for text, taken in zip(axes.get_yticklabels(), rows["recommended"], strict=True):
            text.set_fontweight("bold" if taken else "normal")
            text.set_color(TAKEN if taken else "black")
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.locator_params(axis="x", nbins=5)
    axes.set_title(_words(metric), fontsize=10, loc="left")
    axes.set_xlabel(
        f"difference to {_short(baseline)}, right is better\nthick: this one alone, thin: all together",
        fontsize=8,
    )
    _plain(axes)


def _draw_costs(axes: Axes, rows: pd.DataFrame, metric: str) -> None:
    timed = bool(rows["us_per_row"].notna().any())
    costs = rows["us_per_row" if timed else "megabytes"].to_numpy(dtype=np.float64)
    known = rows[np.isfinite(costs) & rows["value"].notna()]
    costs = costs[known.index]
    axes.set_xlabel("microseconds a row, one thread" if timed else "megabytes", fontsize=8)
    axes.set_title(f"{_words(metric)} against cost (blue: recommended)", fontsize=10, loc="left")
    _plain(axes)
    if known.empty:
        axes.set_xticks([])
        return
    axes.set_xscale("log")
    taken = known["recommended"].to_numpy(dtype=bool)
    values = known["value"].to_numpy(dtype=np.float64)
    axes.scatter(costs, values, s=26, c=[TAKEN if one else PLAIN for one in taken], zorder=2)
    if not get_metric(metric).greater_is_better:
        axes.invert_yaxis()
    axes.set_xlim(costs.min() / 1.5, costs.max() * 1.5)
    _mark_ticks(axes, costs)
    # Labels stand right of the points in a column of their own, at heights that do not touch.
    bottom, top = axes.get_ylim()
    shares = (values - bottom) / (top - bottom)
    gap = min(1.0 / max(1, len(shares)), 0.09)
    for x, y, at, name, one in zip(costs, values, _apart(shares, gap), known["model"], taken, strict=True):
        axes.annotate(
            _short(str(name)),
            (x, y),
            xytext=(1.06, at),
            textcoords="axes fraction",
            fontsize=8,
            va="center",
            color=TAKEN if one else "black",
            fontweight="bold" if one else "normal",
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": "#cccccc", "linewidth": 0.7, "shrinkB": 3},
        )


def _mark_ticks(axes: Axes, costs: npt.NDArray[np.float64]) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    steps = [m * 10.0**p for p in range(-6, 10) for m in (1, 2, 5)]
    low, high = axes.get_xlim()
    inside = [step for step in steps if low <= step <= high]
    if len(inside) > 5:
        inside = [step for step in inside if np.isclose(np.log10(step) % 1, 0)] or inside[::2]
    axes.xaxis.set_major_locator(FixedLocator(inside or [float(costs.min())]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,g}" if x < 1e6 else f"{x:.0e}"))


def _apart(places: npt.NDArray[np.float64], gap: float) -> npt.NDArray[np.float64]:
    """Return places within [0, 1] in the same order, no two closer than `gap`."""
    order = np.argsort(places, kind="stable")
    steps = gap * np.arange(len(places))
    free = np.maximum.accumulate(np.clip(places[order], 0.0, 1.0) - steps)
    found = np.empty(len(places))
    found[order] = np.minimum(free, 1.0 - gap * (len(places) - 1)) + steps
    return found


def _plain(axes: Axes) -> None:
    axes.tick_params(labelsize=8, length=2)
    axes.spines[["top", "right"]].set_visible(False)


def _short(name: str) -> str:
    return name if len(name) <= _LABEL else f"{name[: _LABEL - 3]}..."


def _words(metric: str) -> str:
    return metric.replace("_", " ")
