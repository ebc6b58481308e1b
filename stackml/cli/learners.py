"""`stackml learners`: the catalog, what each preset holds and what is installed."""

from __future__ import annotations

from stackml.cli.examples import examples

EXAMPLES = examples("stackml learners", "stackml train fraud --preset best")

_FOR = {"binary": "classes", "multiclass": "classes", "regression": "numbers"}
_EVERY = len(set(_FOR.values()))


def learners() -> None:
    """List the learners, the presets they are in, and what must be installed for them."""
    from stackml.cli.terminal import say, table
    from stackml.learners.catalog import LEARNERS, PRESETS

    rows = []
    for entry in LEARNERS.values():
        kinds = sorted({_FOR[problem] for problem in entry.problems})
        target = "any" if len(kinds) == _EVERY else ", ".join(kinds)
        marks = ["x" if entry.name in names else "" for names in PRESETS.values()]
        rows.append([entry.name, *marks, target, entry.about])
    absent = [entry for entry in LEARNERS.values() if not entry.is_installed]
    styles = ["" if entry.is_installed else "yellow" for entry in LEARNERS.values()]
    table(("learner", *PRESETS, "target", "about"), rows, styles=styles)
    say()
    for entry in absent:
        say(f"{entry.name} is not installed: pip install 'stackml[{entry.extra}]'", style="yellow")
    if not absent:
        say("all of them are installed")
    say("any scikit-learn estimator can be given in Python: StackClassifier(learners=[('mine', estimator)])")
