"""Masks: which values of rows are known, and rows of which only part is."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gantool.config.masks import MaskConfig

_SIDES = ("left", "right", "top", "bottom")


def draw_known(mask: MaskConfig, count: int, shape: tuple[int, ...], rng: torch.Generator) -> Tensor:
    """Which values of `count` rows are known: [count, D] bool. All channels of a pixel are, or none.

    Raises UsageError where rows of this shape cannot have such a mask.
    """
    mask.check(shape)
    channels = shape[0] if len(shape) == 3 else 1
    height, width = shape[1:] if len(shape) == 3 else (1, math.prod(shape))
    if mask.kind == "any":
        missing = _any(count, height, width, rng, image=len(shape) == 3)
    elif mask.kind == "random":
        missing = _random(torch.full((count,), mask.share), height, width, rng)
    elif mask.kind == "half":
        missing = _half(torch.full((count,), _SIDES.index(mask.side)), height, width)
    else:
        missing = _boxes(torch.full((count,), mask.size), height, width, rng)
    return ~missing[:, None].expand(count, channels, height, width).reshape(count, -1)


def _any(count: int, height: int, width: int, rng: torch.Generator, *, image: bool) -> Tensor:
    """A kind for each row, with a share, side or size of its own."""
    kind = torch.randint(4 if image else 2, (count,), generator=rng)
    missing = _random(torch.rand(count, generator=rng), height, width, rng)
    if image:
        least = min(height, width)
        sizes = torch.randint(max(1, least // 4), 3 * least // 4 + 1, (count,), generator=rng)
        sides = torch.randint(len(_SIDES), (count,), generator=rng)
        missing = torch.where((kind == 2)[:, None, None], _half(sides, height, width), missing)
        missing = torch.where((kind == 3)[:, None, None], _boxes(sizes, height, width, rng), missing)
    return missing | (kind == 1)[:, None, None]


def _random(shares: Tensor, height: int, width: int, rng: torch.Generator) -> Tensor:
    return torch.rand(len(shares), height, width, generator=rng) < shares[:, None, None]


def _half(sides: Tensor, height: int, width: int) -> Tensor:
    """Of an odd number of pixels the middle one is known."""
    rows, columns = torch.arange(height), torch.arange(width)
    left, right = (columns < width // 2).expand(height, -1), (columns >= (width + 1) // 2).expand(height, -1)
    top, bottom = (rows < height // 2)[:, None], (rows >= (height + 1) // 2)[:, None]
    halves = torch.stack([left, right, top.expand(-1, width), bottom.expand(-1, width)])
    return halves[sides]


def _boxes(sizes: Tensor, height: int, width: int, rng: torch.Generator) -> Tensor:
    """A square of each size, at a place that every place where it fits is as likely as."""
    top = (torch.rand(len(sizes), generator=rng) * (height - sizes + 1)).long()
    left = (torch.rand(len(sizes), generator=rng) * (width - sizes + 1)).long()
    rows, columns = torch.arange(height), torch.arange(width)
    within_rows = (rows >= top[:, None]) & (rows < (top + sizes)[:, None])
    within_columns = (columns >= left[:, None]) & (columns < (left + sizes)[:, None])
    return within_rows[:, :, None] & within_columns[:, None, :]
