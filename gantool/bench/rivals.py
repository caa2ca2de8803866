"""Rivals that need more than plain torch: torch.compile, scikit-learn, KeOps and thinc, each as its manual has it."""

from __future__ import annotations

import functools
import importlib
import math
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from gantool.bench.maxout import Operands

_PACKAGES = {"keops": "pykeops", "thinc": "thinc"}


def offer(
    name: str,
    make: Callable[[], Callable[[], Any]],
    contenders: dict[str, Callable[[], Any]],
    absent: dict[str, str],
) -> None:
    """Adds the rival to `contenders`; where its package is not installed, the reason to `absent`."""
    package = _PACKAGES[name]
    try:
        importlib.import_module(package)
    except ModuleNotFoundError as error:
        absent[name] = f"{error.name} is not installed: pip install {package}"
    else:
        contenders[name] = make()


def compile_fresh(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` under torch.compile for the shapes of its first call; it is compiled when that call is made."""
    make = functools.cache(lambda: torch.compile(function, dynamic=False))
    return lambda *arguments: make()(*arguments)


def compiled(function: Callable[..., Any], *arguments: Any) -> Callable[[], Any]:
    """A call of `function`, compiled, with these arguments."""
    run = compile_fresh(function)
    return lambda: run(*arguments)


def sklearn_density(queries: Tensor, samples: Tensor, sigmas: list[float]) -> Callable[[], Tensor]:
    """scikit-learn's KernelDensity, fitted beforehand, its tree one leaf that holds every sample.

    With the default leaves its bounds, which prune nothing in many dimensions, cost tens of nats of accuracy there.
    """
    from sklearn.neighbors import KernelDensity

    rows, leaf = queries.numpy(), len(samples)
    fitted = [KernelDensity(bandwidth=sigma, leaf_size=leaf).fit(samples.numpy()) for sigma in sigmas]

    def call() -> Tensor:
        return torch.stack([torch.from_numpy(density.score_samples(rows)) for density in fitted])

    return call


def keops_density(queries: Tensor, samples: Tensor, sigmas: list[float]) -> Callable[[], Tensor]:
    """KeOps: symbolic distances, reduced by a streaming log-sum-exp, a pass a bandwidth."""
    keops: Any = importlib.import_module("pykeops.torch")
    count, dimension = samples.shape
    rows, columns = keops.LazyTensor(queries[:, None, :]), keops.LazyTensor(samples[None, :, :])
    squared = ((rows - columns) ** 2).sum(-1)

    def density(sigma: float) -> Tensor:
        total: Tensor = (squared * (-0.5 / sigma**2)).logsumexp(dim=1).view(-1)
        return total - (math.log(count) + 0.5 * dimension * math.log(2 * math.pi * sigma**2))

    return lambda: torch.stack([density(sigma) for sigma in sigmas])


def thinc_maxout(operands: Operands) -> Callable[[], tuple[Tensor, ...]]:
    """thinc's Maxout layer, forward and backward, on its own CPU operations."""
    thinc: ModuleType = importlib.import_module("thinc.api")
    x, weight, bias, grad = (tensor.detach().numpy() for tensor in operands)
    units, pieces, inputs = weight.shape
    layer = thinc.Maxout(nO=units, nI=inputs, nP=pieces)
    layer.initialize()
    layer.set_param("W", weight)
    layer.set_param("b", bias)

    def call() -> tuple[Tensor, ...]:
        output, backward = layer(x, is_train=True)
        for name in ("W", "b"):
            if layer.has_grad(name):
                layer.get_grad(name).fill(0.0)  # thinc adds to what is there
        of_x = backward(grad)
        results = (output, of_x, layer.get_grad("W"), layer.get_grad("b"))
        return tuple(torch.from_numpy(result) for result in results)

    return call
