"""Text under a command's help that keeps its lines."""

from __future__ import annotations


def lines(*texts: str) -> str:
    """Return lines that the help prints as they are."""
    paragraphs: list[list[str]] = [[]]
    for text in texts:
        if text:
            paragraphs[-1].append(text)
        else:
            paragraphs.append([])
    # A lone backspace is the sign for "do not fill these lines".
    return "\n\n".join("\n".join(["\b", *paragraph]) for paragraph in paragraphs)


def examples(*texts: str) -> str:
    """Return commands under the heading ``Examples:``."""
    return lines("Examples:", *(f"  {text}" for text in texts))
