"""Spellings of earlier versions, in files and after `--set`, and what they are called now."""

from __future__ import annotations

from typing import Any

# Old dotted key → the present one.
_OLD = {
    "training.objective": "objective.name",
    "training.blend": "objective.blend",
    "training.step": "training.engine",
}


def current(key: str, value: Any) -> tuple[str, Any]:
    """The present key and value of what may be spelled as before."""
    if key == "training.blend" and isinstance(value, (int, float)) and not isinstance(value, bool):
        value = [1.0 - value, float(value)]  # it was the share of the minimax loss
    return _OLD.get(key, key), value


def move_old_spellings(tree: dict[str, Any]) -> None:
    """Moves each value under an old spelling to the present one, in place."""
    for old in _OLD:
        section, _, name = old.partition(".")
        table = tree.get(section)
        if isinstance(table, dict) and name in table:
            key, value = current(old, table.pop(name))
            section, _, name = key.partition(".")
            beside = tree.setdefault(section, {})
            if isinstance(beside, dict):
                beside[name] = value
