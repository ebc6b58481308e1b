"""What an import costs, beside the import of what nearly every program on tables imports anyway."""

import statistics
import subprocess
import sys
import time

import machine
from options import say

KEY = ("statement",)
BESIDE = "import sklearn.ensemble, pandas"
STATEMENTS = ("import stackml", "import stackml; stackml.StackClassifier", "import stackml; stackml.load")
REPEATS = 15
TARGET = 1.5


def measure(options, ledger):
    """Import each alternately in fresh processes; ratios are of medians."""
    statements = (BESIDE, *STATEMENTS)
    inside, whole = ({statement: [] for statement in statements} for _ in range(2))
    before = machine.load_average()
    for number in range((options.repeats if options.quick else REPEATS) + 1):
        for statement in statements:
            found = _timed(statement)
            if number:  # the first one fills the file cache
                inside[statement].append(found[0])
                whole[statement].append(found[1])
    for statement in STATEMENTS:
        row = {
            "statement": statement,
            "median_s": round(statistics.median(inside[statement]), 4),
            "beside": BESIDE,
            "beside_s": round(statistics.median(inside[BESIDE]), 4),
            "ratio": round(statistics.median(inside[statement]) / statistics.median(inside[BESIDE]), 3),
            "process_ratio": round(statistics.median(whole[statement]) / statistics.median(whole[BESIDE]), 3),
            "repeats": len(inside[statement]),
            "load_before": before,
            "versions": machine.versions(),
        }
        ledger.add(row)
        say(f"  {statement}: {row['median_s']:.3f} s, ratio {row['ratio']:.2f}")


def _timed(statement):
    code = f"import time; t = time.perf_counter(); {statement}; print(time.perf_counter() - t)"
    started = time.perf_counter()
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    return float(said), time.perf_counter() - started


def tables(frame, folder):
    """Return the ratios."""
    yield f"Import time beside `{BESIDE}` (wanted: {TARGET})", frame.drop(columns=["versions", "beside"])
