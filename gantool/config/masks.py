"""Which values of a row are missing: `data.mask`, and what is typed after `gantool inpaint --mask`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from gantool.config.checks import require, require_choice, require_count, require_number
from gantool.errors import UsageError

MaskKind = Literal["any", "random", "half", "box"]
Side = Literal["left", "right", "top", "bottom"]


@dataclass(frozen=True)
class MaskConfig:
    """Which values are missing, where data.condition = mask.

    random: each with probability `share`; half: that `side` of the image; box: a square of `size` pixels, at a place
    of its own in each row. any: each row has another: a random share, a random half, a box of any size, or all of it,
    so that one model answers every question; of rows that are no images, a random share or all.
    """

    kind: MaskKind = "any"
    share: float = 0.5
    side: Side = "right"
    size: int = 14

    def __post_init__(self) -> None:
        require_choice(self.kind, get_args(MaskKind), "data.mask.kind")
        require_number(self.share, "data.mask.share", "a share from 0 to 1", 0.0, 1.0)
        require_choice(self.side, get_args(Side), "data.mask.side")
        require_count(self.size, "data.mask.size")

    def check(self, shape: tuple[int, ...], name: str = "data.mask.kind") -> None:
        """Raises UsageError where rows of this shape cannot have such a mask."""
        if self.kind in ("any", "random"):
            return
        require(len(shape) == 3, name, f"any or random: rows of {shape[0]} values are no images", self.kind)
        if self.kind == "box":
            least = min(shape[1:])
            require(self.size <= least, "data.mask.size" if "." in name else name, f"{least} or less", self.size)

    def __str__(self) -> str:
        own = {"any": "", "random": f":{self.share:g}", "half": f":{self.side}", "box": f":{self.size}"}
        return self.kind + own[self.kind]


def parse_mask(text: str, name: str = "--mask") -> MaskConfig:
    """`random:0.5`, `half:right`, `box:14` or `any`. UsageError for anything else."""
    kind, _, value = text.partition(":")
    try:
        if kind == "random":
            return MaskConfig("random", share=float(value or 0.5))
        if kind == "half":
            return MaskConfig("half", side=value or "right")  # type: ignore[arg-type]  # checked there
        if kind == "box":
            return MaskConfig("box", size=int(value or 14))
        if text == "any":
            return MaskConfig("any")
    except (ValueError, UsageError):
        pass
    raise UsageError(
        f"{name} must be random:SHARE, half:left, right, top or bottom, box:PIXELS, any, or a file, but is {text!r}."
    )
