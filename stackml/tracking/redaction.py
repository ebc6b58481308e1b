"""What is never written down: values that look like secrets, credentials inside addresses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_SECRET_KEY = re.compile(
    r"passw(or)?d|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credential", re.I
)
_USER_INFO = re.compile(r"(?<=://)[^/\s'\"]*@")
_SECRET_QUERY = re.compile(
    r"([?&;](?:[\w.-]*(?:passw(?:or)?d|pwd|secret|token|key|sig|signature|credential)[\w.-]*)=)[^&;\s'\"]+",
    re.I,
)
_YAML_LINE = re.compile(r"^(\s*(?:-\s+)?['\"]?[\w.-]+['\"]?\s*:)(\s*)(\S.*)$")

HIDDEN = "[not logged]"


def looks_secret(key: str) -> bool:
    """Return whether a key names something that must not be written down."""
    return _SECRET_KEY.search(key) is not None


def without_credentials(text: str) -> str:
    """Return text whose addresses have lost user, password and signed query values."""
    return _SECRET_QUERY.sub(rf"\1{HIDDEN}", _USER_INFO.sub("", text))


def without_secrets(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Return a flat mapping of text: nested keys joined by dots, secret keys left out.

    Parameters
    ----------
    values : mapping
        Values may be mappings, sequences, numbers, text, booleans or None.
    """
    flat: dict[str, str] = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        if looks_secret(str(key)):
            continue
        if isinstance(value, Mapping):
            flat |= without_secrets(value, f"{name}.")
        else:
            flat[name] = without_credentials(_shown(value))
    return flat


def scrubbed(text: str, path: str) -> str:
    """Return a text artifact without credentials; in YAML also without the values of secret keys."""
    text = without_credentials(text)
    if not path.endswith((".yaml", ".yml")):
        return text
    return "\n".join(_scrubbed_line(line) for line in text.split("\n"))


def _scrubbed_line(line: str) -> str:
    found = _YAML_LINE.match(line)
    if found is None or not looks_secret(found.group(1)):
        return line
    return f"{found.group(1)}{found.group(2)}'{HIDDEN}'"


def _shown(value: Any) -> str:
    if isinstance(value, list | tuple | set | frozenset):
        parts = [part for item in value if (part := _shown_item(item))]
        return f"[{', '.join(parts)}]"
    return str(value)


def _shown_item(value: Any) -> str:
    if isinstance(value, Mapping):
        pairs = without_secrets(value)
        return "{" + ", ".join(f"{k}: {v}" for k, v in pairs.items()) + "}" if pairs else ""
    return _shown(value)
