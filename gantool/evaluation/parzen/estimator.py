"""The Parzen window as a scikit-learn estimator: what KernelDensity offers, and right in 784 dimensions."""

# mypy: allow-subclassing-any
# scikit-learn ships no types, so that its base classes are Any to mypy.

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Sequence
from numbers import Integral, Real
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from sklearn.base import BaseEstimator, DensityMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor

from gantool.errors import UsageError
from gantool.isolation import own_modes
from gantool.numerics.density import PAPER_GRID, CurvePoint, Window
from gantool.ops import Impl, parzen_log_density, selected_impl

Array: TypeAlias = npt.NDArray[np.float64] | Tensor

_RULES = ("grid", "scott", "silverman")


class ParzenWindow(DensityMixin, BaseEstimator):
    """A Gaussian Parzen window on the rows that it is fitted on (Goodfellow et al. 2014, section 5).

    `log p(x) = log mean_j exp(−‖x − s_j‖² / 2σ²) − (D/2)·log(2πσ²)`, in nats, by the operator
    `gantool.ops.parzen_log_density`. Rows [N, D] are whatever scikit-learn takes (arrays, lists, data frames), and
    give float64 NumPy arrays; or torch tensors, and give tensors on the same device. float32 rows are computed in
    float32 and all others in float64; where fitted and scored rows differ, in the wider of the two.

    Parameters:
    - bandwidth: σ in the data's units, a positive number; or "grid", the best of `grid` on held-out rows; or "scott"
      or "silverman", as scikit-learn has them: N^(−1/(D+4)) and (N·(D+2)/4)^(−1/(D+4)). Those two take the data to
      have unit variance and do not look at its scale.
    - grid: the bandwidths that "grid" tries; None is the paper's ten from 0.1 to 1, meant for pixels in [0, 1].
    - validation_fraction: the share of the fitted rows that "grid" holds out where fit gets no `validation`.
    - random_state: which rows those are.
    - impl: "auto" (the compiled kernel where there is one), "native" or "reference".
    - device: where the fitted rows are kept and the work is done; None is where they are.

    After fit: `bandwidth_`, `impl_` (what runs for rows of the fitted type), `sigma_curve_` (the mean log-likelihood
    of the held-out rows at each bandwidth tried; empty unless "grid"), `samples_` (a copy of the rows, as a tensor),
    `n_features_in_`, and `feature_names_in_` where the rows have names.
    """

    def __init__(
        self,
        bandwidth: float | str = "grid",
        *,
        grid: Sequence[float] | None = None,
        validation_fraction: float = 0.1,
        random_state: int | np.random.RandomState | None = 0,
        impl: Impl = "auto",
        device: str | torch.device | None = None,
    ) -> None:
        self.bandwidth = bandwidth
        self.grid = grid
        self.validation_fraction = validation_fraction
        self.random_state = random_state
        self.impl = impl
        self.device = device

    @own_modes()
    def fit(self, X: Any, y: object = None, *, validation: Any = None) -> ParzenWindow:
        """Keeps the rows X [N, D] and settles the bandwidth; `y` is ignored.

        "grid" takes the bandwidth with the largest mean log-likelihood of the rows `validation` [V, D] under X.
        Without them it holds out `validation_fraction` of X, chooses on those, and then fits all of X.
        It warns where the best bandwidth is an end of the grid.
        Raises ValueError for rows that scikit-learn would refuse, UsageError (a ValueError) for a parameter.
        """
        _check_bandwidth(self.bandwidth)
        if validation is not None and self.bandwidth != "grid":
            raise UsageError(
                f"validation rows choose the bandwidth, and bandwidth is given as {self.bandwidth!r}: leave them out, "
                f"or set bandwidth='grid'."
            )
        # A copy: what happens to X later must not change what was fitted.
        samples = _copied(self._rows(X, reset=True).detach(), self.device)
        impl = selected_impl("parzen_log_density", samples, samples, impl=self.impl)
        self.sigma_curve_: tuple[CurvePoint, ...] = ()
        if self.bandwidth == "grid":
            self.sigma_curve_ = self._search(samples, validation)
            self.bandwidth_ = max(self.sigma_curve_, key=lambda point: point.log_likelihood).sigma
            _warn_of_grid_end(self.sigma_curve_, self.bandwidth_)
        else:
            self.bandwidth_ = _settled(self.bandwidth, *samples.shape)
        self.samples_ = samples
        self.impl_ = impl
        self._fitted_on_tensor = isinstance(X, Tensor)
        return self

    def score_samples(self, X: Any) -> Array:
        """Log-density in nats of each row of X [N, D] → [N]; differentiable where X is a tensor."""
        check_is_fitted(self)
        return self._log_densities(X, [self.bandwidth_])[0]

    def score_samples_at(self, X: Any, bandwidths: Iterable[float]) -> Array:
        """Log-density in nats of each row of X [N, D] at each of S bandwidths → [S, N], in one pass over X.

        Raises UsageError for a bandwidth that is not positive and finite.
        """
        check_is_fitted(self)
        return self._log_densities(X, _checked_bandwidths("bandwidths", bandwidths))

    def score(self, X: Any, y: object = None) -> float:
        """Total log-likelihood in nats of the rows X [N, D], as KernelDensity.score has it; `y` is ignored."""
        scores = self.score_samples(X)
        return scores.double().sum().item() if isinstance(scores, Tensor) else float(scores.sum())

    def sample(self, n_samples: int = 1, random_state: int | np.random.RandomState | None = None) -> Array:
        """Draws from the density: a fitted row, each as likely, plus noise of N(0, σ²I) → [n_samples, D].

        The draws are NumPy's, so that one `random_state` gives the same ones on every device; a tensor of the
        fitted type on the fitted device where a tensor was fitted, a float64 array otherwise.
        Raises UsageError where n_samples is not a whole number, 1 or more.
        """
        check_is_fitted(self)
        if not isinstance(n_samples, Integral) or isinstance(n_samples, bool) or n_samples < 1:
            raise UsageError(f"n_samples must be a whole number, 1 or more, and is {n_samples!r}.")
        random = check_random_state(random_state)
        chosen = torch.from_numpy(random.randint(len(self.samples_), size=n_samples))
        noise = torch.from_numpy(random.standard_normal((n_samples, self.n_features_in_))) * self.bandwidth_
        drawn = self.samples_[chosen.to(self.samples_.device)].double() + noise.to(self.samples_.device)
        return drawn.to(self.samples_.dtype) if self._fitted_on_tensor else _as_array(drawn)

    def _log_densities(self, X: Any, bandwidths: list[float]) -> Array:
        """[N, D] → [S, N], in the kind of array that X is."""
        queries, samples = _alike(self._rows(X, reset=False).to(self.samples_.device), self.samples_)
        densities = parzen_log_density(queries, samples, bandwidths, impl=self.impl)
        return densities.to(X.device) if isinstance(X, Tensor) else _as_array(densities)

    def _search(self, samples: Tensor, validation: Any) -> tuple[CurvePoint, ...]:
        """The mean log-likelihood of the held-out rows at each bandwidth of the grid, ascending."""
        grid = sorted(_checked_bandwidths("grid", PAPER_GRID if self.grid is None else self.grid))
        if not grid:
            raise UsageError("grid is empty: give the bandwidths to try, or None for the paper's.")
        if validation is None:
            held_out, samples = self._split(samples)
        else:
            held_out, samples = _alike(self._rows(validation, reset=False).detach().to(samples.device), samples)
        means = Window(samples, self.impl).log_densities(held_out, grid).mean(dim=1)
        return tuple(CurvePoint(*pair) for pair in zip(grid, means.tolist(), strict=True))

    def _split(self, samples: Tensor) -> tuple[Tensor, Tensor]:
        """The rows held out to choose the bandwidth on, and the others."""
        fraction, rows = self.validation_fraction, len(samples)
        if not _is_real(fraction) or not 0 < fraction < 1:
            raise UsageError(f"validation_fraction must be a number between 0 and 1, and is {fraction!r}.")
        if rows < 2:
            raise UsageError(
                f"bandwidth='grid' holds out a part of the rows, and there are too few, n_samples={rows}: "
                f"fit more rows, or give fit validation=ROWS."
            )
        order = torch.from_numpy(check_random_state(self.random_state).permutation(rows)).to(samples.device)
        held_out = min(max(1, round(fraction * rows)), rows - 1)
        return samples[order[:held_out]], samples[order[held_out:]]

    def _rows(self, X: Any, *, reset: bool) -> Tensor:
        """X as a tensor [N, D] of float32 or float64, checked as scikit-learn checks it; `reset` notes D and names."""
        if not isinstance(X, Tensor):
            array = validate_data(self, X, reset=reset, order="C", dtype=[np.float64, np.float32])
            # torch warns of memory that it may not write to.
            return torch.from_numpy(array if array.flags.writeable else array.copy())
        _check_tensor(X)
        validate_data(self, X, reset=reset, skip_check_array=True)
        if not X.is_floating_point():
            return X.double()
        return X if X.dtype == torch.float64 else X.float()


def _check_tensor(rows: Tensor) -> None:
    """Raises UsageError where scikit-learn would refuse the rows if they were an array."""
    if rows.ndim != 2 or 0 in rows.shape:
        raise UsageError(f"rows must be [N, D] with at least one row and one column, and are {list(rows.shape)}.")
    if rows.is_complex():
        raise UsageError(f"rows must be real numbers, and are {rows.dtype}.")
    if not bool(rows.isfinite().all()):
        raise UsageError("rows must be finite, and hold NaN or infinity: remove or replace those.")


def _check_bandwidth(bandwidth: Any) -> None:
    """Raises UsageError for what is neither a positive number nor the name of a rule."""
    if isinstance(bandwidth, str):
        good = bandwidth in _RULES
    else:
        good = _is_real(bandwidth) and 0 < float(bandwidth) < math.inf
    if not good:
        raise UsageError(f"bandwidth must be a positive number, 'grid', 'scott' or 'silverman', and is {bandwidth!r}.")


def _is_real(value: Any) -> bool:
    """True for a number of Python's or NumPy's; a truth value is none."""
    return isinstance(value, Real) and not isinstance(value, bool)


def _checked_bandwidths(name: str, values: Iterable[float]) -> list[float]:
    """The values as numbers; UsageError where they are no sequence, or one is not positive and finite."""
    try:
        bandwidths = [float(value) for value in values]
    except (TypeError, ValueError) as error:
        raise UsageError(f"{name} must be a sequence of positive numbers, and is {values!r}.") from error
    for value in bandwidths:
        if not 0 < value < math.inf:
            raise UsageError(f"{name} must be positive and finite, and one is {value:g}.")
    return bandwidths


def _settled(bandwidth: float | str, rows: int, dimension: int) -> float:
    """A bandwidth that is a number or one of scikit-learn's two rules (Scott 1992; Silverman 1986)."""
    if bandwidth == "scott":
        return float(rows ** (-1 / (dimension + 4)))
    if bandwidth == "silverman":
        return float((rows * (dimension + 2) / 4) ** (-1 / (dimension + 4)))
    return float(bandwidth)


def _warn_of_grid_end(curve: tuple[CurvePoint, ...], chosen: float) -> None:
    """A best bandwidth at an end of the grid is a bound, not a choice."""
    if curve[0].sigma < chosen < curve[-1].sigma:
        return
    end = "smallest" if chosen == curve[0].sigma else "largest"
    warnings.warn(
        f"The best bandwidth, {chosen:.4g}, is the {end} of the grid, and the true best may lie beyond it: "
        f"give ParzenWindow a wider grid.",
        UserWarning,
        stacklevel=3,
    )


def _copied(rows: Tensor, device: str | torch.device | None) -> Tensor:
    """A copy of the rows on a device, None being where they are; UsageError where it cannot be used."""
    try:
        return rows.to(device, copy=True, memory_format=torch.contiguous_format)
    except (RuntimeError, AssertionError) as error:  # torch asserts that it was built for CUDA
        reason = str(error).splitlines()[0].rstrip(".")
        raise UsageError(f"device {str(device)!r} cannot be used here: {reason}.") from error


def _alike(rows: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """Both in the wider of their types."""
    dtype = torch.promote_types(rows.dtype, others.dtype)
    return rows.to(dtype), others.to(dtype)


def _as_array(tensor: Tensor) -> npt.NDArray[np.float64]:
    array: npt.NDArray[np.float64] = tensor.detach().double().cpu().numpy()
    return array
