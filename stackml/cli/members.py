"""Which member of a model answered each row, in a line a row."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def tell_members(weights: pd.DataFrame, names: pd.Series) -> None:
    """Say each member's share in the answer to each row, the largest first."""
    from stackml.cli.terminal import number, say

    members = [str(column) for column in weights.columns]
    for place, shares in zip(weights.index, weights.to_numpy().tolist(), strict=True):
        ranked = sorted(zip(shares, members, strict=True), key=lambda pair: -pair[0])
        told = ", ".join(f"{member} {number(share)}" for share, member in ranked if share > 0)
        say(f"{names.loc[place]}: {told}")
