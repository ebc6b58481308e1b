"""Rows of one part, written as they come: what an interrupted run has measured is kept."""

import pandas as pd


class Ledger:
    """A csv whose rows have a key; a row measured again takes the place of the old one.

    Parameters
    ----------
    path : Path
    key : tuple of str
        Columns that name a row.
    facts : dict
        Columns every row gets: commit, cores.
    """

    def __init__(self, path, key, facts):
        self.path, self.key, self.facts = path, key, facts
        self.frame = pd.read_csv(path, dtype=dict.fromkeys(key, str)) if path.is_file() else pd.DataFrame()

    def has(self, **key):
        """Return whether a row of this key was measured without an error."""
        if self.frame.empty:
            return False
        same = pd.Series(True, index=self.frame.index)
        for name in self.key:
            same &= self.frame[name] == str(key[name])
        failed = self.frame["error"].notna() if "error" in self.frame else False
        return bool((same & ~failed).any())

    def add(self, row):
        """Write a row; the file is replaced as a whole, so a kill leaves the old or the new one."""
        row = {**row, **self.facts}
        row |= {name: str(row[name]) for name in self.key}
        frame = pd.concat([self.frame, pd.DataFrame([row])], ignore_index=True)
        self.frame = frame.drop_duplicates(list(self.key), keep="last", ignore_index=True)
        part = self.path.with_suffix(".part")
        self.frame.to_csv(part, index=False)
        part.replace(self.path)
