"""Checks of configured values. Each error names the field as it is typed after `--set`."""

from __future__ import annotations

import math

from gantool.errors import UsageError


def require(condition: bool, name: str, expected: str, value: object) -> None:
    if not condition:
        raise UsageError(f"{name} must be {expected}, but is {value!r}.")


def require_choice(value: object, choices: tuple[str, ...], name: str) -> None:
    require(value in choices, name, "one of " + ", ".join(choices), value)


def require_count(value: object, name: str, least: int = 1) -> None:
    valid = isinstance(value, int) and not isinstance(value, bool) and value >= least
    require(valid, name, f"a whole number, {least} or more", value)


def require_number(value: object, name: str, expected: str, low: float, high: float = math.inf) -> None:
    """Accepts a finite int or float in [low, high]."""
    number = value if isinstance(value, (int, float)) and not isinstance(value, bool) else math.nan
    require(math.isfinite(number) and low <= number <= high, name, expected, value)
