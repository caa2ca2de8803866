"""What a study is: claims that were computed and compared with what they must be, a figure, and words."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Relation = Literal["=", "≤", "≥"]

# Draws on an empty figure of matplotlib's.
Draw = Callable[["Figure"], None]


@dataclass(frozen=True)
class Claim:
    """`computed` stands in `relation` to `exact`, within `tolerance`."""

    text: str
    computed: float
    exact: float
    tolerance: float = 0.0
    relation: Relation = "="

    @property
    def difference(self) -> float:
        return self.computed - self.exact if self.computed != self.exact else 0.0

    @property
    def holds(self) -> bool:
        """False for what is not a number, too."""
        if math.isnan(self.computed):
            return False
        if self.relation == "≤":
            return self.difference <= self.tolerance
        if self.relation == "≥":
            return self.difference >= -self.tolerance
        return abs(self.difference) <= self.tolerance

    def to_dict(self) -> dict[str, Any]:
        return {**vars(self), "difference": self.difference, "holds": self.holds}


@dataclass(frozen=True)
class Study:
    """A study's outcome. `draw` puts its figure on an empty one of matplotlib's; `values` are further numbers."""

    name: str
    title: str
    claims: tuple[Claim, ...]
    draw: Draw
    notes: tuple[str, ...] = ()
    values: tuple[tuple[str, float, float | None], ...] = ()

    @property
    def holds(self) -> bool:
        return all(claim.holds for claim in self.claims)

    def to_dict(self) -> dict[str, Any]:
        """The object that `gantool theory STUDY --json` prints."""
        return {
            "study": self.name,
            "title": self.title,
            "holds": self.holds,
            "claims": [claim.to_dict() for claim in self.claims],
            "values": [dict(zip(("name", "value", "standard_error"), line, strict=True)) for line in self.values],
            "notes": list(self.notes),
        }
