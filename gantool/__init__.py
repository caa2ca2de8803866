"""Generative Adversarial Nets (Goodfellow et al. 2014), reproduced and measured."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from gantool.version import __version__

if TYPE_CHECKING:
    from gantool import nn, ops
    from gantool.evaluation.parzen.estimator import ParzenWindow
    from gantool.runs import load_run

__all__ = ["ParzenWindow", "__version__", "load_run", "nn", "ops"]

_HOMES = {"load_run": "gantool.runs", "ParzenWindow": "gantool.evaluation.parzen.estimator"}


def __getattr__(name: str) -> Any:
    """Imports the Python API when it is first used: the command line must start without torch."""
    if name in ("nn", "ops"):
        return importlib.import_module(f"gantool.{name}")
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'gantool' has no attribute {name!r}")
