"""What tells two densities apart: KL, JSD, TV and W1, of densities that are known or of samples of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr
from scipy.stats import gaussian_kde, wasserstein_distance

from gantool.errors import UsageError
from gantool.theory.densities import Array, Mixture, earth_mover, jsd, kl, line, normal, parse_mixture, tv
from gantool.theory.study import Claim, Study

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Values = tuple[tuple[str, float, float | None], ...]

BOOTSTRAPS = 50


def study(*, quick: bool = False, p: str | None = None, q: str | None = None) -> Study:
    """Closed forms, then p and q: mixtures such as `N(0,1)`, or files of numbers."""
    if (p is None) != (q is None):
        raise UsageError("--p and --q go together: give both, or neither.")
    values: Values = ()
    notes: tuple[str, ...] = ()
    if p is not None and q is not None:
        values, notes = _between(p, q, 10 if quick else BOOTSTRAPS)
    claims = (*_of_normals(2.0), *_where_supports_part())
    return Study("divergences", "What tells two densities apart", claims, _draw, notes, values)


def _of_normals(mean: float) -> list[Claim]:
    """N(0, 1) against N(μ, 1)."""
    x, step = line(normal(0.0), normal(mean))
    p, q = normal(0.0)(x), normal(mean)(x)
    name = f"N(0, 1) and N({mean:g}, 1)"
    return [
        Claim(f"{name}: KL = μ²/2", kl(p, q, step), mean**2 / 2, 1e-9),
        Claim(f"{name}: KL the other way", kl(q, p, step), mean**2 / 2, 1e-9),
        Claim(f"{name}: JSD", jsd(p, q, step), 0.33683082, 1e-8),
        Claim(f"{name}: TV = 2Φ(μ/2) − 1", tv(p, q, step), float(2 * ndtr(mean / 2) - 1), 1e-6),
        Claim(f"{name}: W1 = μ", earth_mover(p, q, step), mean, 1e-6),
    ]


def uniform_pair(shift: float, cells: int = 30_000) -> tuple[Array, Array, float]:
    """The uniform densities on [0, 1] and on [shift, 1 + shift], in cells of a grid over [0, 3]."""
    step = 3.0 / cells
    places = (np.arange(cells) + 0.5) * step
    p, q = ((places > low) & (places < low + 1.0) for low in (0.0, shift))
    return p.astype(float), q.astype(float), step


def _where_supports_part() -> list[Claim]:
    """Uniform on [0, 1] against uniform on [δ, 1 + δ]."""
    apart, farther = (uniform_pair(shift) for shift in (1.2, 1.8))
    return [
        Claim("uniform, apart: JSD = log 2", jsd(*apart), math.log(2.0), 1e-9),
        Claim("uniform, farther apart: JSD has not changed", jsd(*farther) - jsd(*apart), 0.0, 1e-9),
        Claim("uniform, apart: TV = 1", tv(*apart), 1.0, 1e-9),
        Claim("uniform, apart: KL is infinite", kl(*apart), math.inf),
        Claim("uniform, apart by 1.2: W1 = 1.2", earth_mover(*apart), 1.2, 1e-3),
        Claim("uniform, apart by 1.8: W1 = 1.8", earth_mover(*farther), 1.8, 1e-3),
    ]


def _between(p: str, q: str, bootstraps: int) -> tuple[Values, tuple[str, ...]]:
    first, second = (_read(text, name) for text, name in ((p, "--p"), (q, "--q")))
    if isinstance(first, Mixture) and isinstance(second, Mixture):
        x, step = line(first, second)
        return tuple((name, found, None) for name, found in _all(first(x), second(x), x, step)), (
            f"p = {p}, q = {q}, by quadrature on {len(x):,} points.",
        )
    rng = np.random.default_rng(0)
    drawn = [part.draw(5_000, rng) if isinstance(part, Mixture) else part for part in (first, second)]
    estimate = _estimate(*drawn)
    again = [_estimate(*(rng.choice(part, size=len(part)) for part in drawn)) for _ in range(bootstraps)]
    errors = {name: float(np.std([dict(each)[name] for each in again], ddof=1)) for name, _ in estimate}
    counts = " and ".join(f"{len(part):,}" for part in drawn)
    return tuple((name, found, errors[name]) for name, found in estimate), (
        f"p = {p}, q = {q}: {counts} samples. W1 is that of the samples. The others are of Gaussian kernel estimates, "
        f"whose smoothing makes them smaller; ± is the standard deviation over {bootstraps} bootstraps, and says "
        f"nothing of that.",
    )


def _all(p: Array, q: Array, x: Array, step: float) -> list[tuple[str, float]]:
    return [
        ("KL(p‖q)", kl(p, q, step)),
        ("KL(q‖p)", kl(q, p, step)),
        ("JSD", jsd(p, q, step)),
        ("TV", tv(p, q, step)),
        ("W1", earth_mover(p, q, step)),
    ]


def _estimate(first: Array, second: Array) -> list[tuple[str, float]]:
    both = np.concatenate([first, second])
    spread = both.std() + 1e-12
    x = np.linspace(both.min() - spread, both.max() + spread, 1_000)
    p, q = (gaussian_kde(part)(x) + 1e-300 for part in (first, second))
    found = dict(_all(p, q, x, float(x[1] - x[0])))
    return list((found | {"W1": float(wasserstein_distance(first, second))}).items())


def _read(text: str, option: str) -> Mixture | Array:
    """A mixture, or the numbers of a file: .npy, or text. UsageError where it is neither."""
    path = Path(text)
    if not path.is_file():
        return parse_mixture(text)
    try:
        rows = np.load(path, allow_pickle=False) if path.suffix == ".npy" else np.loadtxt(path, ndmin=1)
        numbers = np.asarray(rows, dtype=np.float64)
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(f"{option} {text} is no file of numbers: {error}.") from error
    if numbers.ndim == 2 and numbers.shape[1] == 1:
        numbers = numbers[:, 0]
    if numbers.ndim != 1:
        raise UsageError(f"{option} {text} must hold one number a sample, but has the shape {list(numbers.shape)}.")
    if len(numbers) < 10 or not np.isfinite(numbers).all() or np.ptp(numbers) == 0:
        raise UsageError(f"{option} {text} must hold ten finite numbers or more that are not all equal.")
    return numbers


def _draw(figure: Figure) -> None:
    axes = figure.subplots()
    shifts = np.linspace(0.0, 1.9, 39)
    curves: dict[str, Callable[[Array, Array, float], float]] = {"JSD": jsd, "TV": tv, "W1": earth_mover}
    for name, measure in curves.items():
        axes.plot(shifts, [measure(*uniform_pair(float(shift), 3_000)) for shift in shifts], label=name)
    axes.set(xlabel="shift between two uniform densities of width 1", ylabel="nats; W1 in units of the line")
    axes.text(0.05, 1.7, "KL is infinite at any shift", fontsize=8)
    axes.legend(fontsize=8)
