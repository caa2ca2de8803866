"""Every study holds; and with a formula broken on purpose it does not, so that its checks can fail."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.integrate import quad

from gantool.errors import UsageError
from gantool.theory import densities
from gantool.theory.densities import LOG4, Array, Mixture, normal, parse_mixture
from gantool.theory.games import read_matrix, solve
from gantool.theory.studies import STUDIES
from gantool.theory.study import Claim


@pytest.mark.parametrize("name", STUDIES)
def test_every_claim_holds(name: str) -> None:
    study = STUDIES[name].run(quick=True)
    assert [claim for claim in study.claims if not claim.holds] == []
    assert len(study.claims) >= 8


JSD = densities.jsd


def swapped(p: Array, q: Array) -> Array:
    """The wrong density on top."""
    return densities.optimal_discriminator(q, p)


def without_the_two(p: Array, q: Array, step: float = 1.0) -> float:
    return -LOG4 + densities.jsd(p, q, step)


def upside_down(p: Array, q: Array, step: float = 1.0) -> float:
    return -JSD(p, q, step)


def doubled(p: Array, q: Array, step: float = 1.0) -> float:
    return 2 * densities.tv(p, q, step)


BROKEN: list[tuple[str, str, Any]] = [
    ("optimum", "optimum.optimal_discriminator", swapped),
    ("optimum", "optimum.criterion", without_the_two),
    ("optimum", "densities.jsd", upside_down),
    ("convergence", "convergence.criterion", without_the_two),
    ("convergence", "convergence.best_discriminator", swapped),
    ("convergence", "convergence.optimal_discriminator", swapped),
    ("games", "games.rate_of_optimistic", lambda eta: math.sqrt(1 - eta**2)),
    ("games", "games.ROCK_PAPER_SCISSORS", np.array([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 2.0, 0.0]])),
    ("games", "games._alternating", lambda now, before: now + 0.1j * now),
    ("generation", "generation.matrix_of_identity", lambda p: -np.ones((len(p), 4)) + np.eye(len(p), 4)),
    ("generation", "generation.LOG4", math.log(2.0)),
    ("saturation", "saturation.slope", lambda name, logit: 1 / (1 + math.exp(-logit))),
    ("objectives", "objectives.MINIMISED", {"minimax": ("JSD − log 4", without_the_two)}),
    ("objectives", "objectives.MINIMISED", {"f:identity": ("1 + 2·TV", lambda p, q: 1 + doubled(p, q))}),
    ("objectives", "objectives.MINIMISED", {"kl": ("KL the other way", lambda p, q: densities.kl(q, p))}),
    ("objectives", "objectives.MINIMISED", {"hinge": ("a sign", lambda p, q: 2 * (1 - densities.tv(p, q)))}),
    ("divergences", "divergences.tv", doubled),
    ("divergences", "divergences.jsd", upside_down),
    ("divergences", "divergences.earth_mover", lambda p, q, step: densities.earth_mover(p, q, step) ** 2),
    ("readings", "readings.best_discriminator", swapped),
    ("readings", "readings.earth_mover", lambda p, q, step: 1 + densities.tv(p, q, step)),
]


@pytest.mark.parametrize(("name", "what", "instead"), BROKEN, ids=lambda part: part if isinstance(part, str) else "")
def test_a_broken_formula_is_seen(name: str, what: str, instead: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"gantool.theory.{what}", instead)
    assert not STUDIES[name].run(quick=True).holds


@pytest.mark.parametrize(
    ("claim", "holds"),
    [
        (Claim("", 1.0, 1.1, 0.1001), True),
        (Claim("", 1.0, 1.1, 0.09), False),
        (Claim("", 1.0, 2.0, 0.0, "≤"), True),
        (Claim("", 1.0, 2.0, 0.0, "≥"), False),
        (Claim("", math.nan, 2.0, 9.0, "≤"), False),
        (Claim("", math.inf, math.inf), True),
        (Claim("", math.inf, 1.0, 1.0), False),
    ],
)
def test_what_a_claim_is(claim: Claim, holds: bool) -> None:
    assert claim.holds is holds


def test_divergences_by_another_quadrature() -> None:
    """scipy's adaptive quadrature of the integrals as they are written."""
    p, q = normal(0.0), Mixture((0.3, 0.7), (-1.0, 2.0), (0.5, 1.0))
    x, step = densities.line(p, q)
    values = p(x), q(x), step

    def integral(of: Callable[[float, float], float]) -> float:
        return float(quad(lambda at: of(float(p(np.array(at))), float(q(np.array(at)))), -12, 14, limit=500)[0])

    assert densities.kl(*values) == pytest.approx(integral(lambda a, b: a * math.log(a / b)), abs=1e-7)
    middle = integral(lambda a, b: 0.5 * a * math.log(2 * a / (a + b)) + 0.5 * b * math.log(2 * b / (a + b)))
    assert densities.jsd(*values) == pytest.approx(middle, abs=1e-7)
    assert densities.tv(*values) == pytest.approx(integral(lambda a, b: abs(a - b) / 2), abs=1e-6)


def test_a_game_of_a_file(tmp_path: Path) -> None:
    """[[3, 1], [0, 2]]: the value is 3/2, rows (½, ½), columns (¼, ¾)."""
    file = tmp_path / "game.txt"
    file.write_text("3, 1\n0 2\n")
    found = solve(read_matrix(file))
    assert found.value == pytest.approx(1.5)
    assert found.rows == pytest.approx([0.5, 0.5])
    assert found.columns == pytest.approx([0.25, 0.75])
    study = STUDIES["games"].run(matrix=file)
    assert study.holds
    assert study.values[0][1] == pytest.approx(1.5)


@pytest.mark.parametrize("text", ["", "1 2\n3\n", "1 x\n", "1 nan\n"])
def test_a_matrix_that_is_none_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "game.txt"
    file.write_text(text)
    with pytest.raises(UsageError, match=r"The matrix .* must"):
        read_matrix(file)


def test_mixtures_as_they_are_typed() -> None:
    found = parse_mixture("0.25*N(-1, 0.5) + 0.75*N(2e0,1)")
    assert found == Mixture((0.25, 0.75), (-1.0, 2.0), (0.5, 1.0))
    assert parse_mixture("N(0,1)") == normal(0.0)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("0.5*N(0,1)+0.6*N(1,1)", "The weights of a mixture must sum to 1, but sum to 1.1"),
        ("N(0,0)", "standard deviations above 0"),
        ("N(0)", "A density is N"),
        ("nowhere.npy", "A density is N"),
    ],
)
def test_a_density_that_is_none_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        STUDIES["divergences"].run(p=text, q="N(0,1)")


def test_samples_have_errors_that_cover_the_truth(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    np.save(tmp_path / "p.npy", rng.normal(size=4_000))
    np.savetxt(tmp_path / "q.txt", rng.normal(1.0, size=4_000))
    study = STUDIES["divergences"].run(quick=True, p=str(tmp_path / "p.npy"), q=str(tmp_path / "q.txt"))
    found = {name: (value, error) for name, value, error in study.values}
    value, error = found["W1"]
    assert error is not None
    assert abs(value - 1.0) < 4 * error < 0.2
    assert found["JSD"][0] == pytest.approx(0.1114, abs=0.02)


@pytest.mark.parametrize("shape", [(20, 2), (3,)])
def test_samples_of_another_form_are_refused(shape: tuple[int, ...], tmp_path: Path) -> None:
    np.save(tmp_path / "p.npy", np.random.default_rng(0).normal(size=shape))
    with pytest.raises(UsageError, match=r"--p .* must hold"):
        STUDIES["divergences"].run(p=str(tmp_path / "p.npy"), q="N(0,1)")
