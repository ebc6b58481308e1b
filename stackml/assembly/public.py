"""The public half of each kind of assembly."""

from __future__ import annotations

from stackml.assembly.ensemble import Ensemble, FittedEnsemble
from stackml.assembly.estimator import Assembly
from stackml.assembly.label_union import FittedLabelUnion, LabelUnion

PUBLIC: dict[str, type[Assembly]] = {
    FittedEnsemble.kind: Ensemble,
    FittedLabelUnion.kind: LabelUnion,
}
