"""`stackml doctor`: whether this machine can do the work."""

from __future__ import annotations

import typer

from stackml.cli.examples import examples
from stackml.cli.options import TrackingUri

EXAMPLES = examples("stackml doctor", "stackml doctor --tracking-uri http://localhost:5000")

_STYLES = {"ok": "green", "note": "yellow", "fault": "red"}


def doctor(tracking_uri: TrackingUri = None) -> None:
    """Check Python, libraries, cores, memory, tracking store and data; exit code 1 on a fault."""
    from stackml.cli.checks import examine
    from stackml.cli.terminal import say

    found = examine(tracking_uri)
    width = max(len(check.what) for check in found)
    for check in found:
        say(f"{check.state:<5}  {check.what:<{width}}  {check.found}", style=_STYLES[check.state])
        if check.advice:
            say(f"{'':<{width + 9}}{check.advice}")
    faults = sum(check.state == "fault" for check in found)
    say()
    if faults:
        say(f"{faults} fault(s) found", style="red")
        raise typer.Exit(1)
    say("nothing essential is wrong")
