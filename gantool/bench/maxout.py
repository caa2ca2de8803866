"""Maxout, forward and backward with all three gradients: the cases and the contenders."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from gantool.bench import rivals
from gantool.bench.case import Case, Error, Problem, wanted
from gantool.ops import maxout, selected_impl
from gantool.ops.selection import unsupported

IMPLS = ("native", "reference", "eager", "compile", "gemm", "thinc")

Result = tuple[Tensor, ...]  # output [B, U], then the gradients of x, weight and bias


@dataclass(frozen=True)
class Shape:
    """B rows, I inputs, U units of P pieces."""

    rows: int
    inputs: int
    units: int
    pieces: int

    def __str__(self) -> str:
        return f"{self.rows:,}×{self.inputs:,}→{self.units:,}×{self.pieces}"


class Operands(NamedTuple):
    """x [B, I], weight [U, P, I], bias [U, P], which want gradients; grad [B, U] is the output's."""

    x: Tensor
    weight: Tensor
    bias: Tensor
    grad: Tensor


def cases(quick: bool, sweep: bool, device: torch.device) -> list[Case]:
    """The paper's two MNIST layers in float32 and bfloat16; with `sweep`, each axis in turn."""
    shapes = [Shape(8, 24, 12, 5)] if quick else [Shape(200, 784, 240, 5), Shape(100, 240, 240, 5)]
    if device.type == "cuda" and not quick:
        shapes.append(Shape(4_096, 1_024, 1_024, 5))
    if sweep:
        shapes += _sweep(4 if quick else 1)
    return [_case(shape, dtype) for shape in shapes for dtype in (torch.float32, torch.bfloat16)]


def _sweep(scale: int) -> list[Shape]:
    return [
        *(Shape(b // scale, 784 // scale, 240 // scale, 5) for b in (50, 800, 3_200)),
        *(Shape(200 // scale, i // scale, 240 // scale, 5) for i in (128, 3_072)),
        *(Shape(200 // scale, 784 // scale, u // scale, 5) for u in (60, 960)),
        *(Shape(200 // scale, 784 // scale, 240 // scale, p) for p in (2, 10)),
    ]


def _case(shape: Shape, dtype: torch.dtype) -> Case:
    products = 3 * 2.0 * shape.rows * shape.inputs * shape.units * shape.pieces

    def build(device: torch.device, only: frozenset[str] | None) -> Problem:
        return _problem(_operands(shape, dtype, device), only)

    return Case(f"maxout {shape}", "normal", dtype, products, build)


def _operands(shape: Shape, dtype: torch.dtype, device: torch.device) -> Operands:
    rng = torch.Generator().manual_seed(0)

    def normal(*sizes: int) -> Tensor:
        return torch.randn(*sizes, generator=rng).to(device, dtype)

    return Operands(
        normal(shape.rows, shape.inputs).requires_grad_(),
        normal(shape.units, shape.pieces, shape.inputs).div_(shape.inputs**0.5).requires_grad_(),
        normal(shape.units, shape.pieces).requires_grad_(),
        normal(shape.rows, shape.units),
    )


def eager_forward(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """What one writes in plain torch: a linear layer, a view, the maximum."""
    flat = torch.nn.functional.linear(x, weight.flatten(0, 1), bias.flatten())
    return flat.view(len(x), *bias.shape).amax(dim=2)


def both_ways(forward: Callable[[Tensor, Tensor, Tensor], Tensor], operands: Operands) -> Callable[[], Result]:
    """A call that runs forward and backward, and returns the output and all three gradients."""
    x, weight, bias, grad = operands

    def call() -> Result:
        output = forward(x, weight, bias)
        return (output.detach(), *torch.autograd.grad(output, (x, weight, bias), grad))

    return call


def three_products(operands: Operands) -> Callable[[], None]:
    """The bare products of forward and backward, nothing around them: the limit of whatever builds [B, U·P]."""
    x, weight = operands.x.detach(), operands.weight.detach().flatten(0, 1)
    dense = torch.randn_like(x @ weight.T)

    def call() -> None:
        torch.mm(x, weight.T)
        torch.mm(dense, weight)
        torch.mm(dense.T, x)

    return call


def _problem(operands: Operands, only: frozenset[str] | None) -> Problem:
    x, weight = operands.x, operands.weight
    contenders: dict[str, Callable[[], Result | None]] = {}
    details: dict[str, str] = {}
    absent: dict[str, str] = {}
    if wanted(only, "native"):
        if reason := unsupported("maxout", (x, weight)):
            absent["native"] = reason
        else:
            contenders["native"] = both_ways(lambda x, w, b: maxout(x, w, b, impl="native"), operands)
            details["native"] = selected_impl("maxout", x, weight, impl="native")
    if wanted(only, "reference"):
        contenders["reference"] = both_ways(lambda x, w, b: maxout(x, w, b, impl="reference"), operands)
    if wanted(only, "eager"):
        contenders["eager"] = both_ways(eager_forward, operands)
    if wanted(only, "compile"):
        contenders["compile"] = both_ways(rivals.compile_fresh(eager_forward), operands)
    if wanted(only, "gemm"):
        contenders["gemm"] = three_products(operands)
    if wanted(only, "thinc"):
        if x.dtype != torch.float32 or x.device.type != "cpu":
            absent["thinc"] = "it is compared in float32 on the CPU only"
        else:
            rivals.offer("thinc", lambda: rivals.thinc_maxout(operands), contenders, absent)
    return Problem(contenders, _error_of(operands), details, absent)


def _error_of(operands: Operands) -> Callable[[Result | None], Error | None]:
    """The float64 truth on the operands as rounded. In 16 bits an implementation that rounds before it chooses the
    winner sends a near tie's gradient elsewhere: a gradient's error is therefore told by its norm."""
    exact = Operands(*(tensor.detach().cpu().double().requires_grad_() for tensor in operands))
    truth = both_ways(eager_forward, exact)()

    def error(result: Result | None) -> Error | None:
        if result is None:
            return None
        value, *gradients = (tensor.detach().cpu().double() for tensor in result)
        pairs = zip(gradients, truth[1:], strict=True)
        relative = [float((found - true).norm() / true.norm()) for found, true in pairs]
        return Error(float((value - truth[0]).abs().max()), max(relative))

    return error
