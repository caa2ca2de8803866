"""Generators, discriminators and the noise that feeds them."""

from __future__ import annotations

from gantool.models.branches import Condition, conditions_of
from gantool.models.noise import draw_noise
from gantool.models.stack import Discriminator, Generator, build_discriminator, build_generator

__all__ = [
    "Condition",
    "Discriminator",
    "Generator",
    "build_discriminator",
    "build_generator",
    "conditions_of",
    "draw_noise",
]
