"""Derivatives of both operators in every mode that torch has, against plain torch in float64 on the definition."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from ops.cases import impls, normal
from torch import Tensor
from torch.autograd import forward_ad
from torch.func import functional_call, grad, jacfwd, jacrev, jvp, stack_module_state, vjp, vmap
from torch.utils._pytree import tree_leaves

from gantool.nn import Maxout
from gantool.ops import maxout, parzen_log_density

# torch 2.13 loads its own rules of forward mode through what it has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.:DeprecationWarning")

Function = Callable[..., Tensor]
IMPLS = pytest.mark.parametrize("impl", impls())
ALL = (0, 1, 2)


def exact_maxout(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return (torch.einsum("bi,upi->bup", x, weight) + bias).amax(2)


def exact_parzen(queries: Tensor, samples: Tensor, sigmas: Tensor) -> Tensor:
    squared = (queries[:, None] - samples).square().sum(2)
    kernel = torch.logsumexp(-squared / (2 * sigmas[:, None, None] ** 2), 2) - math.log(len(samples))
    return kernel - samples.shape[1] * (sigmas * math.sqrt(2 * math.pi)).log()[:, None]


class Case:
    """An operator with its definition, its arguments, a direction, and arguments with an axis of replicas."""

    def __init__(self, op: str, impl: str) -> None:
        if op == "maxout":
            self.mine: Function = lambda *t: maxout(*t, impl=impl).tanh()  # type: ignore[arg-type]
            self.right: Function = lambda *t: exact_maxout(*t).tanh()
            shapes = ((4, 3), (5, 2, 3), (5, 2))
        else:
            self.mine = lambda *t: parzen_log_density(*t, impl=impl)  # type: ignore[arg-type]
            self.right = exact_parzen
            shapes = ((4, 3), (6, 3), (2,))
        self.places = (1, len(shapes[1]), 0)
        self.tensors = self.draw(shapes, 0)
        self.direction = tuple(normal(*shape, seed=seed).float() for seed, shape in enumerate(shapes, 40))
        self.many = self.draw([(*s[:place], 3, *s[place:]) for s, place in zip(shapes, self.places, strict=True)], 20)
        if op == "parzen_log_density":  # sigmas
            self.tensors = (*self.tensors[:2], self.tensors[2].abs() + 0.5)
            self.many = (*self.many[:2], self.many[2].abs() + 0.5)

    @staticmethod
    def draw(shapes: Any, seed: int) -> tuple[Tensor, ...]:
        return tuple(normal(*shape, seed=seed + i).float() for i, shape in enumerate(shapes))


CASES = pytest.mark.parametrize("op", ["maxout", "parzen_log_density"])


def loss(function: Function) -> Function:
    return lambda *t: function(*t).square().sum()


def double(value: Any) -> Any:
    return tuple(t.double() for t in value)


def check(mine: Any, right: Any, dtype: torch.dtype = torch.float32) -> None:
    """Equal to a few hundred roundings of float32: sums of some dozen terms, of gradients of gradients at most."""
    mine, right = tree_leaves(mine), tree_leaves(right)
    assert len(mine) == len(right)
    for one, other in zip(mine, right, strict=True):
        assert one.dtype == dtype
        assert other.abs().max() > 0  # a zero derivative would prove nothing
        torch.testing.assert_close(one.double(), other, rtol=1e-4, atol=3e-5 * float(other.abs().max()))


@IMPLS
@CASES
def test_forward_and_reverse_mode(op: str, impl: str) -> None:
    case = Case(op, impl)
    tensors, direction = double(case.tensors), double(case.direction)
    check(jvp(case.mine, case.tensors, case.direction), jvp(case.right, tensors, direction))
    for index in ALL:  # each argument by itself: the others' tangents and gradients are absent
        check(jacfwd(case.mine, index)(*case.tensors), jacfwd(case.right, index)(*tensors))
        check(jacrev(case.mine, index)(*case.tensors), jacrev(case.right, index)(*tensors))
        check(grad(loss(case.mine), index)(*case.tensors), grad(loss(case.right), index)(*tensors))
    output, pull = vjp(case.mine, *case.tensors)
    check(pull(output), vjp(case.right, *tensors)[1](output.double()))


@IMPLS
@CASES
def test_a_dual_tensor_keeps_its_tangent_without_gradients_too(op: str, impl: str) -> None:
    case = Case(op, impl)
    with torch.no_grad(), forward_ad.dual_level():
        duals = [forward_ad.make_dual(*pair) for pair in zip(case.tensors, case.direction, strict=True)]
        tangent = forward_ad.unpack_dual(case.mine(*duals)).tangent
    check(tangent, jvp(case.right, double(case.tensors), double(case.direction))[1])


@IMPLS
@CASES
@pytest.mark.parametrize("outer", [jacrev, jacfwd])
@pytest.mark.parametrize("inner", [jacrev, jacfwd])
def test_second_derivatives_of_each_mode_over_each(op: str, impl: str, outer: Any, inner: Any) -> None:
    case = Case(op, impl)
    for arguments in (ALL, (0,)):
        right = outer(inner(loss(case.right), arguments), arguments)(*double(case.tensors))
        if op == "parzen_log_density" and outer is inner is jacfwd:
            with pytest.raises(NotImplementedError, match=r"no forward mode within forward mode .*: take one"):
                outer(inner(loss(case.mine), arguments), arguments)(*case.tensors)
        else:
            check(outer(inner(loss(case.mine), arguments), arguments)(*case.tensors), right)


@IMPLS
@CASES
def test_autograds_own_functional(op: str, impl: str) -> None:
    case = Case(op, impl)
    tensors, direction = double(case.tensors), double(case.direction)
    functional = torch.autograd.functional
    hessian = functional.hessian(loss(case.right), tensors)
    check(functional.hessian(loss(case.mine), case.tensors), hessian)
    check(
        functional.hvp(loss(case.mine), case.tensors, case.direction),
        functional.hvp(loss(case.right), tensors, direction),
    )
    right = functional.jacobian(case.right, tensors)
    for strategy in ("reverse-mode", "forward-mode"):
        check(functional.jacobian(case.mine, case.tensors, vectorize=True, strategy=strategy), right)


@IMPLS
def test_parzen_matches_finite_differences_twice(impl: str) -> None:
    tensors = [t.double().requires_grad_() for t in Case("parzen_log_density", impl).tensors]

    def density(*t: Tensor) -> Tensor:
        return parzen_log_density(*t, impl=impl)  # type: ignore[arg-type]

    batched = {"check_batched_grad": True, "check_forward_ad": True, "check_batched_forward_grad": True}
    assert torch.autograd.gradcheck(density, tensors, **batched)
    assert torch.autograd.gradgradcheck(density, tensors, check_fwd_over_rev=True)


@IMPLS
def test_parzens_forward_mode_at_awkward_rows(impl: str) -> None:
    """An offset, a sample at infinity, a NaN query, several tiles."""
    queries, samples, sigmas = Case("parzen_log_density", impl).tensors
    repeats = 1 + (1 << 20) // 24  # of 6 samples and 2 bandwidths: two tiles
    shifted = (torch.cat([queries + 1000, torch.full((1, 3), torch.nan)]), samples.repeat(repeats, 1) + 1000)
    tensors = (shifted[0], torch.cat([shifted[1], torch.full((1, 3), torch.inf)]), sigmas)
    direction = (torch.ones(5, 3), torch.zeros_like(tensors[1]), torch.ones(2))
    tangent = jvp(lambda *t: parzen_log_density(*t, impl=impl), tensors, direction)[1]  # type: ignore[arg-type]
    # Copies change nothing but the constant, a sample at infinity likewise.
    right = jvp(
        exact_parzen,
        (shifted[0][:4].double(), shifted[1][:6].double(), sigmas.double()),
        (torch.ones(4, 3).double(), torch.zeros(6, 3).double(), torch.ones(2).double()),
    )[1]
    assert tangent[:, 4].isnan().all()
    check(tangent[:, :4], right)


def some(case: Case, dims: tuple[int | None, ...]) -> tuple[Tensor, ...]:
    return tuple(one if d is None else many for one, many, d in zip(case.tensors, case.many, dims, strict=True))


BATCHED = [dims for dims in itertools.product((True, False), repeat=3) if any(dims)]


@IMPLS
@CASES
@pytest.mark.parametrize("batched", BATCHED, ids=str)
def test_vmap_over_any_of_the_arguments(op: str, impl: str, batched: tuple[bool, ...]) -> None:
    case = Case(op, impl)
    dims = tuple(place if wanted else None for place, wanted in zip(case.places, batched, strict=True))
    tensors = some(case, dims)
    right = double(tensors)
    check(vmap(case.mine, dims)(*tensors), vmap(case.right, dims)(*right))
    mine, exact = (vmap(grad(loss(f), ALL), dims) for f in (case.mine, case.right))
    check(mine(*tensors), exact(*right))
    mine, exact = (grad(loss(vmap(f, dims)), ALL) for f in (case.mine, case.right))
    check(mine(*tensors), exact(*right))
    mine, exact = (vmap(jacfwd(jacrev(loss(f))), dims) for f in (case.mine, case.right))
    check(mine(*tensors), exact(*right))


@pytest.mark.native
@pytest.mark.parametrize("batched", BATCHED, ids=str)
def test_a_vmapped_maxout_is_one_computation(batched: tuple[bool, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """However many replicas there are, as many operators run, forward and backward."""
    case = Case("maxout", "native")
    dims = tuple(place if wanted else None for place, wanted in zip(case.places, batched, strict=True))
    counts = []
    for replicas in (2, 3):
        tensors = [t if d is None else t.narrow(d, 0, replicas) for t, d in zip(some(case, dims), dims, strict=True)]
        with torch.profiler.profile(acc_events=True) as profile:
            vmap(grad(loss(case.mine), ALL), dims)(*tensors)
        counts.append(sum(event.count for event in profile.key_averages()))
    assert counts[0] == counts[1]


@IMPLS
def test_an_ensemble_of_layers_is_trained_by_functional_call(impl: str) -> None:
    layers = [Maxout(3, 5, 2, init_range=1.0, rng=torch.Generator().manual_seed(seed), impl=impl) for seed in range(4)]  # type: ignore[arg-type]
    parameters, _ = stack_module_state(layers)  # type: ignore[arg-type]
    x = normal(7, 3).float()
    vmap(lambda p: functional_call(layers[0], p, (x,)))(parameters).square().sum().backward()
    for index, layer in enumerate(layers):
        tensors = [p.detach().double().requires_grad_() for p in (layer.weight, layer.bias)]
        right = torch.autograd.grad(exact_maxout(x.double(), *tensors).square().sum(), tensors)
        check([parameters[name].grad[index] for name in ("weight", "bias")], right)


@pytest.mark.native
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_a_vmapped_maxout_of_low_precision_is_as_close_as_plain_torch(dtype: torch.dtype) -> None:
    tensors = [normal(3, *shape, seed=i).to(dtype) for i, shape in enumerate([(40, 30), (9, 5, 30), (9, 5)])]
    exact = vmap(exact_maxout)(*(t.double() for t in tensors))
    mine = vmap(lambda *t: maxout(*t, impl="native"))(*tensors)
    plain = torch.stack([maxout(*t, impl="reference") for t in zip(*tensors, strict=True)])
    assert mine.dtype == dtype
    assert (mine.double() - exact).abs().max() <= 2 * (plain.double() - exact).abs().max()


@pytest.mark.native
@CASES
def test_transforms_compile_whole(op: str) -> None:
    case = Case(op, "native")
    dims = (case.places[0], None, None)
    for function, arguments in (
        (lambda f: lambda *t: jvp(f, t[:3], t[3:]), (*case.tensors, *case.direction)),
        (lambda f: grad(loss(f), ALL), case.tensors),
        (lambda f: vmap(f, dims), some(case, dims)),
    ):
        compiled = torch.compile(function(case.mine), fullgraph=True, backend="aot_eager")
        check(compiled(*arguments), function(case.right)(*double(arguments)))


@pytest.mark.native
def test_functionalize() -> None:
    case = Case("maxout", "native")
    check(torch.func.functionalize(case.mine)(*case.tensors), case.right(*double(case.tensors)))


@pytest.mark.native
def test_the_raw_operators_have_the_same_derivatives() -> None:
    tensors, direction = Case("maxout", "native").tensors, Case("maxout", "native").direction
    raw = torch.ops.gantool.maxout_forward
    right = jvp(exact_maxout, double(tensors), double(direction))
    check(jvp(lambda *t: raw(*t)[0], tensors, direction), right)
    winner = raw(*tensors)[1]
    pull = normal(4, 5, seed=9).float()
    move = [t.float() for t in (normal(4, 5, seed=10), direction[0], direction[1])]

    def exact(pull: Tensor, x: Tensor, weight: Tensor) -> Any:
        return vjp(exact_maxout, x, weight, tensors[2].double())[1](pull)

    found = jvp(
        lambda g, x, w: torch.ops.gantool.maxout_backward(g, winner, x, w, True, True, True),
        (pull, *tensors[:2]),
        tuple(move),
    )
    check(found, jvp(exact, double((pull, *tensors[:2])), double(move)))


@pytest.mark.native
def test_autocast_holds_for_the_raw_operator() -> None:
    tensors = [t.requires_grad_() for t in Case("maxout", "native").tensors]
    raw = torch.ops.gantool.maxout_forward
    lowered = raw(*(t.detach().bfloat16() for t in tensors))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = (tensors[0].bfloat16(), *tensors[1:])
        for result in (raw(*tensors), raw(*mixed)):
            assert torch.equal(result[0], lowered[0])
            assert torch.equal(result[1], lowered[1])
        inside = jacrev(lambda w: raw(tensors[0].detach(), w, tensors[2].detach())[0])(tensors[1].detach())
        assert inside.dtype == torch.float32
    result[0].sum().backward()
    assert all(t.grad is not None and t.grad.dtype == torch.float32 for t in tensors)


@IMPLS
def test_autocast_leaves_float64_alone_as_torchs_own_layers_do(impl: str) -> None:
    tensors = double(Case("maxout", impl).tensors)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = maxout(*tensors)
    assert torch.equal(result, maxout(*tensors))
