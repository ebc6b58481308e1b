"""What is wrong with a pipeline, in sentences: key, value found, nearest right one."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from stackml.foundation.errors import near_miss

Path = tuple[str | int, ...]


def complaints(error: ValidationError, model: type[BaseModel]) -> list[tuple[Path, str]]:
    """Return the path and the sentence of each mistake, in the order of the model's keys."""
    found: dict[Path, str] = {}
    for item in error.errors():
        path = tuple(item["loc"])
        found.setdefault(path, _sentence(item, path, model))
    # A part is not complained about for what is wrong inside it: a list without its wrong items is short.
    return [(path, what) for path, what in found.items() if not any(_inside(other, path) for other in found)]


def _inside(other: Path, path: Path) -> bool:
    return len(other) > len(path) and other[: len(path)] == path


def _sentence(item: Any, path: Path, model: type[BaseModel]) -> str:
    kind, value = item["type"], item.get("input")
    shown = ".".join(str(part) for part in path)
    if kind == "extra_forbidden":
        return unknown_key(path, model)
    if kind == "missing":
        return f"'{shown}' is missing; give it a value"
    if kind == "literal_error":
        known = [word.strip("'") for word in item["ctx"]["expected"].replace(" or ", ", ").split(", ")]
        return f"'{shown}': unknown value '{value}'{near_miss(value, known)}; known: {', '.join(known)}"
    if kind == "value_error":
        return f"'{shown}': {item['ctx']['error']}"
    if kind == "string_pattern_mismatch":
        return f"'{shown}': use letters, digits, '_' and '-' only; found {value!r}"
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        inside = ", ".join(fields_at(path, model))
        return f"'{shown}' holds keys of its own{f' ({inside})' if inside else ''}; found {value!r}"
    return f"'{shown}' {str(item['msg']).removeprefix('Input ')}; found {value!r}"


def unknown_key(path: Path, model: type[BaseModel]) -> str:
    """Return the sentence for a key that its part does not know."""
    known = fields_at(path[:-1], model)
    inside = f" in '{'.'.join(str(part) for part in path[:-1])}'" if len(path) > 1 else ""
    key = str(path[-1])
    elsewhere = {name: part for part in model.model_fields for name in fields_at((part,), model)}
    if key not in elsewhere and (hint := near_miss(key, known)):
        return f"unknown key '{key}'{inside}{hint}"
    close = get_close_matches(key, elsewhere, n=1, cutoff=0.75)
    hint = f"; did you mean '{elsewhere[close[0]]}.{close[0]}'?" if close else f"; known: {', '.join(known)}"
    return f"unknown key '{key}'{inside}{hint}"


def fields_at(path: Path, model: type[BaseModel]) -> list[str]:
    """Return the keys of the part of a model at a path; none where it has no keys of its own."""
    current: Any = model
    for part in path:
        if is_part(current):
            field = current.model_fields.get(str(part))
            current = field.annotation if field is not None else None
        else:  # a dict of parts, whose own keys are names
            current = next((a for a in get_args(current) if is_part(a)), None)
    return list(current.model_fields) if is_part(current) else []


def is_part(annotation: Any) -> bool:
    """Return whether an annotation is a model with keys of its own."""
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
