"""Generative Adversarial Nets (Goodfellow et al. 2014), reproduced and measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gantool.version import __version__

if TYPE_CHECKING:
    from gantool.evaluation.estimator import ParzenWindow
    from gantool.runs import load_run

__all__ = ["ParzenWindow", "__version__", "load_run"]


def __getattr__(name: str) -> Any:
    """Imports the Python API when it is first used: the command line must start without torch."""
    if name == "load_run":
        from gantool.runs import load_run

        return load_run
    if name == "ParzenWindow":
        from gantool.evaluation.estimator import ParzenWindow

        return ParzenWindow
    raise AttributeError(f"module 'gantool' has no attribute {name!r}")
