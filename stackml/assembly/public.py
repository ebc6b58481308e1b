"""The public half of each kind of assembly."""

from __future__ import annotations

from stackml.assembly.cascade import Cascade, FittedCascade
from stackml.assembly.ensemble import Ensemble, FittedEnsemble
from stackml.assembly.estimator import Assembly
from stackml.assembly.label_union import FittedLabelUnion, LabelUnion
from stackml.assembly.router import FittedRouter, Router

PUBLIC: dict[str, type[Assembly]] = {
    FittedEnsemble.kind: Ensemble,
    FittedRouter.kind: Router,
    FittedCascade.kind: Cascade,
    FittedLabelUnion.kind: LabelUnion,
}
