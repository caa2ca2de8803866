"""How work says how far it has come; whoever shows it stands higher."""

from __future__ import annotations

from collections.abc import Callable

# Called with the stage in words, what is done and what there is in all; 0 in all stands for an unknown length.
Progress = Callable[[str, int, int], None]


def silent(stage: str, done: int, total: int) -> None:
    """Progress that nobody watches."""
