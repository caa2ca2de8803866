"""The studies by name. Each module is imported when its study runs, and SciPy and torch with it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from gantool.theory.study import Study


class Entry(NamedTuple):
    """A line about a study, and what runs it: `run(quick=…)`, with the study's own options."""

    about: str
    run: Callable[..., Study]


def _study(name: str, **options: Any) -> Study:
    found: Study = import_module(f"gantool.theory.{name}").study(**options)
    return found


_ABOUT = {
    "optimum": "Proposition 1 and Theorem 1: D* and the value of C(G), with D trained and tabular",
    "convergence": "Proposition 2: p_g reaches p_data if D is at its optimum in each step; and what is not promised",
    "games": "values and equilibria of matrix games; ways of playing against their closed forms",
    "generation": "a game whose mixed equilibrium makes one player generate the data",
    "saturation": "why G ascends log D(G(z)): gradients of both losses where D has won",
    "objectives": "the divergence that each objective minimises",
    "divergences": "KL, JSD, TV and W1 between two densities, and where supports part",
    "readings": "mistakes in what people write about the paper, each refuted by a number",
}
STUDIES = {name: Entry(about, partial(_study, name)) for name, about in _ABOUT.items()}
