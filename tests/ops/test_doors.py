"""What the operators do with arguments that nobody should give them: the right value, or one sentence."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from ops.cases import impls, normal
from torch import Tensor

from gantool.errors import UsageError
from gantool.ops import maxout, parzen_log_density, selected_impl
from gantool.ops.momentum import momentum_step

IMPLS = pytest.mark.parametrize("impl", impls())
REFUSED = (ValueError, RuntimeError, NotImplementedError)  # how a raw operator refuses; UsageError is a ValueError
RATES = torch.tensor([0.25, 0.5], dtype=torch.float64)


def negative(tensor: Tensor) -> Tensor:
    """The same values as a lazy negation of a tensor that holds their opposites."""
    return torch._neg_view(-tensor)


def nested(tensor: Tensor) -> Tensor:
    return torch.nested.nested_tensor([tensor, tensor], layout=torch.jagged)


ODD: dict[str, tuple[Callable[[Tensor], Any], str]] = {
    "objects": (lambda t: t.numpy().astype(object), r"must be (a torch.Tensor, and is a numpy.ndarray|numbers)"),
    "list": (lambda t: t.tolist(), "must be a torch.Tensor, and is a list"),
    "number": (lambda _: 0.5, "must be a torch.Tensor, and is a float"),
    "nothing": (lambda _: None, "must be a torch.Tensor, and is a NoneType"),
    "sparse": (lambda t: t.to_sparse(), r"must be a dense tensor, and is torch.sparse_coo"),
    "nested": (nested, "must be a dense tensor, and is nested"),
    "complex": (lambda t: t.to(torch.complex64).conj(), "and is torch.complex64"),
    "whole": (lambda t: t.long(), "and is torch.int64"),
    "elsewhere": (lambda t: t.to("meta"), "must be on the device of .* and is on"),
}
ODD_KINDS = pytest.mark.parametrize("kind", ODD)


def refuses_each(call: Callable[..., Any], tensors: dict[str, Tensor], kind: str) -> None:
    """Every argument in turn made odd: one sentence that names it, or the first one beside it."""
    make, message = ODD[kind]
    for name, tensor in tensors.items():
        with pytest.raises(UsageError, match=message) as caught:
            call(**{**tensors, name: make(tensor)})
        text = str(caught.value)
        assert "\n" not in text
        assert ": " in text
        if kind != "elsewhere":
            assert f" {name} must" in text


@IMPLS
@ODD_KINDS
def test_maxout_and_parzen_name_an_odd_argument(kind: str, impl: str) -> None:
    layer = {"x": torch.zeros(4, 3), "weight": torch.zeros(5, 2, 3), "bias": torch.zeros(5, 2)}
    refuses_each(lambda **t: maxout(**t, impl=impl), layer, kind)  # type: ignore[arg-type]
    window = {"queries": torch.zeros(4, 3), "samples": torch.zeros(5, 3), "sigmas": torch.ones(2)}
    if kind in ("array", "list", "number", "nothing"):
        del window["sigmas"]  # numbers are welcome there

    def density(**given: Any) -> Tensor:
        return parzen_log_density(**{"sigmas": [0.5], **given}, impl=impl)  # type: ignore[arg-type]

    refuses_each(density, window, kind)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@ODD_KINDS
def test_momentum_names_an_odd_argument_and_writes_nothing(kind: str, dtype: torch.dtype) -> None:
    tensors = {name: torch.ones(4, 3, dtype=dtype) for name in ("parameter", "velocity", "gradient")}
    refuses_each(momentum_step, {**tensors, "rates": RATES}, kind)
    assert all(torch.equal(t, torch.ones_like(t)) for t in tensors.values())


def test_selected_impl_names_an_array() -> None:
    with pytest.raises(UsageError, match=r"maxout: weight must be a torch.Tensor, and is a numpy.ndarray"):
        selected_impl("maxout", torch.zeros(2, 3), np.zeros((2, 2, 3)))  # type: ignore[arg-type]


@IMPLS
def test_a_negative_view_is_its_values(impl: str) -> None:
    x, weight, bias = (normal(*shape, seed=i).float() for i, shape in enumerate([(4, 3), (5, 2, 3), (5, 2)]))
    right = maxout(x, weight, bias, impl=impl)  # type: ignore[arg-type]
    assert torch.equal(maxout(negative(x), negative(weight), negative(bias), impl=impl), right)  # type: ignore[arg-type]
    queries, samples, sigmas = x, weight[:, 0], torch.tensor([0.5, 1.0])
    density = parzen_log_density(queries, samples, sigmas, impl=impl)  # type: ignore[arg-type]
    views = (negative(queries), negative(samples), negative(sigmas))
    assert torch.equal(parzen_log_density(*views, impl=impl), density)  # type: ignore[arg-type]


@IMPLS
def test_a_number_is_one_bandwidth_and_no_bandwidth_gives_no_row(impl: str) -> None:
    queries, samples = (normal(6, 5, seed=i).float().requires_grad_() for i in range(2))
    right = parzen_log_density(queries, samples, [0.2], impl=impl)  # type: ignore[arg-type]
    for sigma in (0.2, np.float32(0.2), torch.tensor([0.2]), torch.tensor(0.2)):
        density = parzen_log_density(queries, samples, sigma, impl=impl)  # type: ignore[arg-type]
        torch.testing.assert_close(density, right, rtol=1e-6, atol=1e-4)
    assert parzen_log_density(queries, samples, 2, impl=impl).shape == (1, 6)  # type: ignore[arg-type]
    for none in ([], (), torch.zeros(0), np.zeros(0)):
        density = parzen_log_density(queries, samples, none, impl=impl)  # type: ignore[arg-type]
        assert density.shape == (0, 6)
        assert all(torch.equal(g, torch.zeros(6, 5)) for g in torch.autograd.grad(density.sum(), (queries, samples)))


@pytest.mark.parametrize("sigmas", ["0.2", ["a"], None, [[0.2], [0.3, 0.4]]])
def test_bandwidths_that_are_no_numbers_are_named(sigmas: Any) -> None:
    with pytest.raises(UsageError, match="sigmas must be numbers, and are"):
        parzen_log_density(torch.zeros(2, 3), torch.zeros(2, 3), sigmas)


@pytest.mark.native
def test_a_vmapped_raw_maxout_refuses_more_pieces_than_a_winner_can_name() -> None:
    tensors = torch.zeros(3, 2, 4), torch.zeros(3, 2, 257, 4), torch.zeros(3, 2, 257)
    with pytest.raises(UsageError, match="between 1 and 256, and is 257"):
        torch.vmap(torch.ops.gantool.maxout_forward)(*tensors)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_momentum_compiles_whole(dtype: torch.dtype) -> None:
    def step(*tensors: Tensor) -> None:
        momentum_step(*tensors, RATES, bound=0.5)

    mine, right = ([t.to(dtype) for t in momentum_case()] for _ in range(2))
    torch.compile(step, fullgraph=True, backend="aot_eager")(*mine)
    step(*right)
    torch.testing.assert_close(mine, right)


def momentum_case() -> tuple[Tensor, Tensor, Tensor]:
    return normal(4, 3).float(), normal(4, 3, seed=1).float(), normal(4, 3, seed=2).float()


@pytest.mark.native
def test_momentum_reads_negative_views_and_expanded_gradients() -> None:
    parameter, velocity, gradient = momentum_case()
    for given, same in (
        (negative(gradient), gradient),
        (gradient[:1].expand(4, 3), gradient[:1].repeat(4, 1)),
        (gradient.T.contiguous().T, gradient),
    ):
        mine, right = (parameter.clone(), velocity.clone()), (parameter.clone(), velocity.clone())
        momentum_step(*mine, given, negative(RATES))
        momentum_step(*right, same, RATES)
        assert torch.equal(mine[0], right[0])
        assert torch.equal(mine[1], right[1])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_momentum_writes_into_no_view_that_overlaps(dtype: torch.dtype) -> None:
    memory = torch.zeros(100, dtype=dtype)
    one, beside, across = memory[:12].view(4, 3), memory[12:24].view(4, 3), memory[6:18].view(4, 3)
    momentum_step(one, beside, memory[24:36].view(4, 3), RATES)  # neighbours are no overlap
    other = torch.zeros(4, 3, dtype=dtype)
    for arguments, copy, message in (
        ((one, one, other), None, "shares some with"),
        ((one, across, other), None, "shares some with"),
        ((one, other, across), None, "gradient must be in memory of its own, and shares some with parameter"),
        ((other, one, one), None, "gradient must be in memory of its own, and shares some with velocity"),
        ((one, other, beside), memory.view(torch.bfloat16)[:12].view(4, 3), "shares some with"),
        ((memory[:1].expand(4, 3), other, beside), None, "parameter must be contiguous"),
        ((other, memory[:3].expand(4, 3), beside), None, "velocity must be contiguous"),
        ((negative(one), other, beside), None, "parameter must be contiguous"),
    ):
        before = memory.clone()
        with pytest.raises((ValueError, RuntimeError), match=message):
            momentum_step(*arguments, RATES, copy=copy)
        assert torch.equal(memory, before)


@pytest.mark.native
def test_a_negative_view_that_is_read_is_its_values() -> None:
    parameter, velocity, gradient = (normal(4, 3, seed=seed).float() for seed in range(3))
    expected = parameter.clone(), velocity.clone()
    momentum_step(*expected, gradient, RATES, bound=0.7)
    torch.ops.gantool.momentum_step(parameter, velocity, negative(gradient), None, RATES, 0.7)
    assert torch.equal(parameter, expected[0])
    with pytest.raises(UsageError, match="velocity must be contiguous and no negative view"):
        torch.ops.gantool.momentum_step(parameter, negative(velocity), gradient, None, RATES, 0.7)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("bound", [0.0, -1.0, math.nan])
def test_momentum_refuses_a_bound_that_is_none(bound: float, dtype: torch.dtype) -> None:
    tensors = [torch.ones(4, 3, dtype=dtype) for _ in range(3)]
    with pytest.raises(UsageError, match="momentum_step: bound must be positive, and is"):
        momentum_step(*tensors, RATES, bound=bound)
    with pytest.raises(UsageError, match="gradient must be of the shape of parameter"):
        momentum_step(*tensors[:2], tensors[2][:1], RATES)
    assert all(torch.equal(t, torch.ones_like(t)) for t in tensors)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_autograd_sees_that_momentum_changed_a_saved_value(dtype: torch.dtype) -> None:
    parameter = torch.ones(4, 3, dtype=dtype, requires_grad=True)
    output = parameter.square().sum()
    momentum_step(parameter, torch.zeros_like(parameter), torch.ones_like(parameter), RATES)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        output.backward()


@pytest.mark.native
def test_a_winner_beyond_the_pieces_is_refused() -> None:
    backward = torch.ops.gantool.maxout_backward
    for pieces in (1, 2, 9):
        for dtype in (torch.float32, torch.bfloat16, torch.float16):
            winner = torch.zeros(400, 50, dtype=torch.uint8)
            winner[-1, -1] = pieces
            operands = (torch.rand(400, 60), torch.rand(50, pieces, 60))
            tensors = [t.to(dtype) for t in (torch.rand(400, 50), *operands)]
            for needs in ((True, True, True), (True, False, False), (False, True, False), (False, False, True)):
                with pytest.raises(REFUSED, match=f"below the number of pieces, {pieces}, and one is {pieces}"):
                    backward(tensors[0], winner, *tensors[1:], *needs)


@pytest.mark.native
def test_the_variants_names_are_asked_for_with_care() -> None:
    ops = torch.ops.gantool
    with pytest.raises(REFUSED, match="x must be float32, bfloat16 or float16, and is float64"):
        ops.maxout_variant(torch.zeros(2, 3).double(), 2)
    with pytest.raises(REFUSED, match="the number of pieces must be between 1 and 256, and is -3"):
        ops.maxout_variant(torch.zeros(2, 3), -3)
    with pytest.raises(REFUSED, match=r"queries must be \[N, D\] = \[any, any\], and is \[3\]"):
        ops.parzen_variant(torch.zeros(3), torch.zeros(2, 3))
    with pytest.raises(REFUSED, match=r"samples must be \[M, D\] = \[any, 3\], and is \[2, 4\]"):
        ops.parzen_variant(torch.zeros(3, 3), torch.zeros(2, 4))


def test_the_references_raw_operators_are_checked() -> None:
    rows, sigmas = torch.ones(4, 3), torch.ones(2)
    raw, backward = torch.ops.gantool.parzen_log_density_reference, torch.ops.gantool.parzen_backward
    for tensors in (
        (rows, rows[:, :2], sigmas),
        (rows, rows[:0], sigmas),
        (rows, rows, -sigmas),
        (rows[0], rows, sigmas),
    ):
        with pytest.raises(UsageError, match="parzen_log_density: "):
            raw(*tensors)
        with pytest.raises(UsageError, match="parzen_log_density: "):
            backward(torch.ones(2, 4), *tensors, True, True, True)
    with pytest.raises(UsageError, match=r"grad must be float32, .* and is torch.complex64"):
        backward(torch.ones(2, 4).to(torch.complex64), rows, rows, sigmas, True, True, True)
    with pytest.raises(UsageError, match=r"grad must be \[S, N\] = \[2, 4\], and is \[4, 2\]"):
        backward(torch.ones(4, 2), rows, rows, sigmas, True, True, True)


def draw_tensor(rng: random.Random, shape: tuple[int, ...], dtype: torch.dtype, least: int = 0) -> Tensor:
    """Values in one of the ways that memory can hold them, and now and then of another shape, type or kind."""
    if rng.random() < 0.04:
        shape = (*shape[: rng.randrange(len(shape) + 1)], rng.randrange(4))
    if rng.random() < 0.04:
        dtype = rng.choice([torch.float64, torch.int32, torch.bool, torch.complex64, torch.float16])
    tensor = torch.randint(least, 7, shape, generator=torch.Generator().manual_seed(rng.randrange(10**6))).to(dtype)
    way = rng.randrange(8)
    if way == 0 and tensor.ndim > 1:
        return tensor.transpose(0, -1).contiguous().transpose(0, -1)
    if way == 1 and tensor.ndim and len(tensor):
        return tensor[:1].expand_as(tensor)
    if way == 2:
        return torch.cat([tensor.flatten(), tensor.flatten()[:1]])[tensor.numel() and 1 :][: tensor.numel()].view(shape)
    if way == 3 and tensor.is_floating_point():
        return negative(tensor)
    if way == 4 and rng.random() < 0.1:
        return rng.choice([tensor.to_sparse(), tensor.to("meta")])
    return tensor.repeat_interleave(2, -1)[..., ::2] if way == 5 and tensor.ndim else tensor


def fuzzed(call: Callable[..., Any], *arguments: Any, **options: Any) -> int:
    """1 where the call gave a result, 0 where it refused. A crash ends the whole run, which is the point."""
    try:
        call(*arguments, **options)
    except REFUSED:
        return 0
    return 1


@pytest.mark.native
def test_no_arguments_crash_the_raw_operators() -> None:
    rng = random.Random(11)
    ops = torch.ops.gantool
    given = dict.fromkeys(("forward", "backward", "parzen", "pull", "momentum"), 0)
    for _ in range(1500):
        batch, inputs, units, pieces = (rng.choice([0, 1, 2, 7, 33]) for _ in range(4))
        pieces = rng.choice([255, 256, 257]) if rng.random() < 0.1 else pieces
        dtype = rng.choice([torch.float32, torch.bfloat16, torch.float16])
        x, weight = (draw_tensor(rng, s, dtype) for s in ((batch, inputs), (units, pieces, inputs)))
        grad, bias = (draw_tensor(rng, s, dtype) for s in ((batch, units), (units, pieces)))
        winner = draw_tensor(rng, (batch, units), torch.uint8) * rng.choice([0, 1, 40])
        needs = [rng.random() < 0.7 for _ in range(3)]
        given["forward"] += fuzzed(ops.maxout_forward, x, weight, bias)
        given["backward"] += fuzzed(ops.maxout_backward, grad, winner, x, weight, *needs)
        wide = rng.choice([torch.float32, torch.float64])
        rows = [draw_tensor(rng, (n, inputs), wide) for n in (batch, units)]
        sigmas, pull = draw_tensor(rng, (3,), wide, least=rng.choice([0, 1, 1])), draw_tensor(rng, (3, batch), wide)
        given["parzen"] += fuzzed(ops.parzen_log_density, *rows, sigmas)
        given["pull"] += fuzzed(ops.parzen_backward, pull, *rows, sigmas, *needs)
        written = [draw_tensor(rng, (units, inputs), torch.float32) for _ in range(3)]
        copy = draw_tensor(rng, (units, inputs), torch.bfloat16) if rng.random() < 0.5 else None
        given["momentum"] += fuzzed(momentum_step, *written, RATES, bound=rng.choice([0.5, 0.0]), copy=copy)
    assert min(given.values()) > 30, given


@IMPLS
def test_arrays_are_taken_as_tensors_are(impl: Any) -> None:
    x, weight, bias = (normal(*shape, seed=i).float() for i, shape in enumerate([(4, 3), (5, 2, 3), (5, 2)]))
    right = maxout(x, weight, bias, impl=impl)
    assert torch.equal(maxout(x.numpy(), weight.numpy(), bias.numpy(), impl=impl), right)
    frozen = x.numpy()[::-1]
    frozen.flags.writeable = False
    assert torch.equal(maxout(frozen, weight, bias.numpy(), impl=impl), right.flip(0))
    rows = normal(6, 3, seed=3).float()
    density = parzen_log_density(x.numpy(), rows.numpy().astype(">f4"), np.array([0.5, 1.0]), impl=impl)
    assert torch.equal(density, parzen_log_density(x, rows, [0.5, 1.0], impl=impl))
