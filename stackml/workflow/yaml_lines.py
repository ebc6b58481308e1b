"""YAML read with the line of every key and value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from stackml.foundation.errors import SpecError

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class LinedYaml:
    """Values and where they stand.

    Attributes
    ----------
    values : dict
    lines : mapping of path to int
        Line, counted from 1, of each key or list item; a path is a tuple of keys and positions.
    """

    values: dict[str, Any]
    lines: Mapping[Path, int]

    def line_of(self, path: Path) -> int:
        """Return the line of a path, or of the nearest part above it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def read_lined(text: str, where: str) -> LinedYaml:
    """Parse YAML whose top level is a mapping.

    Raises
    ------
    SpecError
        If the text is no YAML, is no mapping, or a key is given twice; the message names the line.
    """
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if not isinstance(node, yaml.MappingNode):
            raise SpecError(f"{where}, line 1: expected keys with values, as 'name: fraud'")
        lines: dict[Path, int] = {}
        _walk(node, (), lines, where)
        values = loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark is not None else 1
        raise SpecError(f"{where}, line {line}: {error.problem or 'not YAML'}") from None
    except yaml.YAMLError as error:
        raise SpecError(f"{where}: not YAML: {str(error).splitlines()[0]}") from None
    finally:
        loader.dispose()
    return LinedYaml(values, lines)


def _walk(node: yaml.Node, path: Path, lines: dict[Path, int], where: str) -> None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*path, str(key.value))
            line = key.start_mark.line + 1
            if here in lines:
                raise SpecError(
                    f"{where}, line {line}: key '{key.value}' is given twice, first in line {lines[here]}"
                )
            lines[here] = line
            _walk(value, here, lines, where)
    elif isinstance(node, yaml.SequenceNode):
        for position, item in enumerate(node.value):
            lines[*path, position] = item.start_mark.line + 1
            _walk(item, (*path, position), lines, where)
