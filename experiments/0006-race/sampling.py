"""Where the time goes, over all threads: look at every thread's stack some hundred times a second."""

import sys
import threading
from collections import Counter

EVERY = 0.005  # seconds


class Sampler:
    """Counts, while it is entered, which function of stackml each busy thread is in, and what that calls.

    The profilers of the standard library see one thread; fits run in several.
    """

    def __init__(self):
        self.counts = Counter()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._done.set()
        self._thread.join()

    def top(self, n=8):
        """Return the n commonest places with their share of the samples, as one text."""
        whole = sum(self.counts.values()) or 1
        return "; ".join(f"{place} {count / whole:.0%}" for place, count in self.counts.most_common(n))

    def _look(self):
        own = threading.get_ident()
        while not self._done.wait(EVERY):
            for thread, frame in sys._current_frames().items():
                place = _place(frame) if thread != own else None
                if place:
                    self.counts[place] += 1


def _place(frame):
    innermost = _name(frame)
    if innermost.startswith(("threading:", "concurrent.")):  # waits
        return None
    while frame is not None and not frame.f_globals.get("__name__", "").startswith("stackml."):
        frame = frame.f_back
    if frame is None:
        return None
    ours = _name(frame).removeprefix("stackml.")
    return ours if innermost.endswith(ours) else f"{ours} > {innermost}"


def _name(frame):
    module = frame.f_globals.get("__name__", "?")
    return f"{module}:{frame.f_code.co_name}"
