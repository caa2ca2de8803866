"""What a stored byte is worth: asked alike by every reader of the user's own files."""

from __future__ import annotations

import math

import torch

from gantool.errors import UsageError

# Pixels have 255 levels above black.
PIXEL_LEVELS = 255.0

# Largest bytes of data that are not such pixels: binary rows, and the levels of 1 to 4 bits or of 0 to 16. Dark
# pictures end at any other number.
_OTHER_LEVELS = (1, 2, 3, 4, 7, 8, 15, 16)


def check_scale(scale: float | None, flag: str) -> None:
    """Raises UsageError where what bytes are divided by is no number above 0; None stands for 255."""
    if scale is not None and not 0 < scale < math.inf:
        raise UsageError(f"{flag} must be a number above 0, what bytes are divided by, but is {scale:g}.")


def odd_bytes(stored: torch.Tensor, scale: float | None, where: str, flag: str) -> tuple[str, ...]:
    """A sentence where bytes [N, D] are divided by 255 for lack of a `scale` and look like no pixels; else nothing.

    `where` names the file, and `flag` what sets the scale.
    """
    if stored.dtype != torch.uint8 or scale is not None or (largest := int(stored.max())) not in _OTHER_LEVELS:
        return ()
    return (
        f"The bytes of {where} go from {int(stored.min())} to {largest} and are divided by 255, as pixels are; "
        f"densities and distances depend on the unit: if {largest} is their full scale, give {flag}{largest}, and if "
        f"they are pixels, {flag}255.",
    )
