"""All parts as one Markdown page, from the rows on disk."""

import pandas as pd


def write_report(parts, folder):
    """Write ``result.md`` from whatever rows there are, and return its path.

    Parameters
    ----------
    parts : mapping of str to module
    folder : Path
    """
    text = ["# Result", "", "Made by `make bench` from the csv files beside it; read README.md first."]
    for name, module in parts.items():
        path = folder / f"{name}.csv"
        if not path.is_file():
            continue
        frame = pd.read_csv(path, dtype=dict.fromkeys(module.KEY, str))
        text += ["", f"## {name}", "", _about(frame)]
        for title, table in module.tables(frame, folder):
            table = table.drop(columns=["cores", "commit"], errors="ignore").dropna(axis=1, how="all")
            text += ["", f"**{title}**", "", markdown(table)]
        versions = frame["versions"].dropna().unique() if "versions" in frame else []
        text += ["", *(f"Versions: {line}." for line in versions)]
    path = folder / "result.md"
    path.write_text("\n".join(text) + "\n", encoding="utf-8")
    return path


def markdown(frame):
    """Return a frame as a Markdown table."""
    rows = [list(frame.columns), ["---"] * frame.shape[1]]
    rows += [[_shown(value) for value in row] for row in frame.itertuples(index=False)]
    return "\n".join("| " + " | ".join(str(cell) for cell in row) + " |" for row in rows)


def _shown(value):
    if isinstance(value, float):
        if pd.isna(value):
            return ""
        return f"{value:,.0f}" if abs(value) >= 1e4 else f"{value:.5g}"
    return str(value).replace("|", "/")


def _about(frame):
    commits, cores = (", ".join(frame[c].dropna().astype(str).unique()) for c in ("commit", "cores"))
    load = frame["load_before"].dropna() if "load_before" in frame else pd.Series(dtype=float)
    busy = f", load average before {load.min():g} to {load.max():g}" if len(load) else ""
    return f"Commit {commits}, {cores} cores{busy}."
