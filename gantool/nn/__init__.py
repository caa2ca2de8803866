"""Layers: maxout, dropout by example and unit with an explicit random generator, and the paper's initialisation."""

from __future__ import annotations

from gantool.nn.dropout import ScaledDropout
from gantool.nn.maxout import Maxout

__all__ = ["Maxout", "ScaledDropout"]
