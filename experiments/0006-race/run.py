"""Everything the project claims to have measured, measured again.

make bench ARGS="--parts import fit-ratio --names gmsc adult --limit 120 --seeds 0 1 2"
"""

import argparse
import os
from pathlib import Path

import bag_ratio
import fit_ratio
import importing
import limit
import machine
import race
import scale
import scoring
from ledger import Ledger
from options import Options, say
from peers import SYSTEMS
from report import write_report
from splits import known_names

HERE = Path(__file__).resolve().parent
PARTS = {
    "import": importing,
    "fit-ratio": fit_ratio,
    "bag-ratio": bag_ratio,
    "scale": scale,
    "limit": limit,
    "scoring": scoring,
    "race": race,
}
QUICK_SYSTEMS = ("stackml:fast", *SYSTEMS[3:])


def main():
    """Run the chosen parts and write the page after each."""
    if os.environ.get("STACKML_DATA"):  # measurements run in folders of their own
        os.environ["STACKML_DATA"] = str(Path(os.environ["STACKML_DATA"]).resolve())
    chosen, options = _choices()
    options.out.mkdir(parents=True, exist_ok=True)
    facts = {"cores": machine.cores(), "commit": machine.commit()}
    for name in chosen:
        say(f"{name}: {(PARTS[name].__doc__ or '').splitlines()[0]}")
        PARTS[name].measure(options, Ledger(options.out / f"{name}.csv", PARTS[name].KEY, facts))
        say(f"  written to {write_report(PARTS, options.out)}")


def _choices():
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument(
        "--parts", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART", help=", ".join(PARTS)
    )
    ask.add_argument(
        "--names",
        nargs="+",
        metavar="TABLE",
        help="tables; by default all in STACKML_DATA, or simulated ones",
    )
    ask.add_argument("--systems", nargs="+", metavar="SYSTEM", help="of the race: " + ", ".join(SYSTEMS))
    ask.add_argument("--limit", type=float, help="seconds each system gets (120; quick: 10)")
    ask.add_argument("--limits", type=float, nargs="+", help="of the part limit (5 10 30 60; quick: 5)")
    ask.add_argument("--seeds", type=int, nargs="+", default=[0], help="one split each")
    ask.add_argument("--sizes", type=int, nargs="+", help="rows of the part scale (100000 300000 1000000)")
    ask.add_argument("--max-rows", type=int, help="most rows of a table (all; quick: 4000)")
    ask.add_argument("--repeats", type=int, help="alternate runs of what is compared (3; quick: 1)")
    ask.add_argument("--rounds", type=int, help="rounds and trees where work is fixed (200; quick: 40)")
    ask.add_argument("--jobs", type=int, default=2, help="cores each system may use")
    ask.add_argument(
        "--quick", action="store_true", help="a few minutes in all: small tables, one of everything"
    )
    ask.add_argument(
        "--resume", action="store_true", help="keep rows that are there, measure the missing ones"
    )
    ask.add_argument("--out", type=Path, help="folder of results (this one; quick: quick/ in it)")
    given = ask.parse_args()
    quick = given.quick
    known = known_names()
    for name in given.names or ():
        if name not in known and not name.endswith("_sim"):
            there = ", ".join(known)
            ask.error(
                f"--names: no table '{name}' here (there are: {there}); set STACKML_DATA to their folder"
            )
    out = given.out or (HERE / "quick" if quick else HERE)
    return given.parts, Options(
        names=tuple(given.names or (known[:2] if quick else known)),
        systems=tuple(given.systems or (QUICK_SYSTEMS if quick else SYSTEMS)),
        limit=given.limit or (10.0 if quick else 120.0),
        limits=tuple(given.limits or ((5.0,) if quick else (5.0, 10.0, 30.0, 60.0))),
        seeds=tuple(given.seeds),
        sizes=tuple(given.sizes or ((5_000, 20_000) if quick else (100_000, 300_000, 1_000_000))),
        max_rows=given.max_rows or (4_000 if quick else None),
        repeats=given.repeats or (1 if quick else 3),
        rounds=given.rounds or (40 if quick else 200),
        jobs=given.jobs,
        quick=quick,
        resume=given.resume,
        out=out.resolve(),
        scratch=HERE.parent.parent / "runs" / "bench",
    )


if __name__ == "__main__":
    main()
