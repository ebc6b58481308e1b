"""The closed catalog of assemblies: what a file may hold beside a stack."""

from __future__ import annotations

from stackml.assembly.base import FittedAssembly
from stackml.assembly.cascade import FittedCascade
from stackml.assembly.ensemble import FittedEnsemble
from stackml.assembly.label_union import FittedLabelUnion
from stackml.assembly.router import FittedRouter

ASSEMBLIES: dict[str, type[FittedAssembly]] = {
    FittedEnsemble.kind: FittedEnsemble,
    FittedRouter.kind: FittedRouter,
    FittedCascade.kind: FittedCascade,
    FittedLabelUnion.kind: FittedLabelUnion,
}
