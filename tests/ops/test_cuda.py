"""The operators on a GPU: the same cases and truths as on the CPU, streams, graphs and compile."""

from __future__ import annotations

import math

import pytest
import torch
from ops import truth
from ops.cases import LAYOUTS, LOW_PRECISION, MAXOUT_CASES, PARZEN_CASES, MaxoutCase, ParzenCase, maxout_case, normal
from torch import Tensor

from gantool.native import load as native
from gantool.ops import maxout, parzen_log_density, selected_impl
from gantool.ops.momentum import momentum_step

pytestmark = [pytest.mark.cuda, pytest.mark.native]
DEVICE = "cuda"
DTYPES = pytest.mark.parametrize("dtype", LOW_PRECISION, ids=str)
EPSILON = torch.finfo(torch.float32).eps


def on_device(*tensors: Tensor, dtype: torch.dtype = torch.float32, layout: str = "contiguous") -> list[Tensor]:
    """Leaves on the GPU in a type and layout."""
    moved = [LAYOUTS[layout](t.to(dtype).flatten(1)).to(DEVICE).unflatten(1, t.shape[1:]) for t in tensors]
    return [t.detach().requires_grad_() for t in moved]


def test_the_library_is_loaded_and_named() -> None:
    assert native.CUDA.loaded, native.CUDA.reason
    rows = torch.zeros(2, 3, device=DEVICE)
    assert selected_impl("parzen_log_density", rows, rows).startswith("native (cuda sm_")


@DTYPES
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("case", MAXOUT_CASES, ids=lambda case: case.name)
def test_maxout_is_as_close_to_float64_as_plain_torch(case: MaxoutCase, dtype: torch.dtype, layout: str) -> None:
    tensors = on_device(case.x, case.weight, case.bias, dtype=dtype, layout=layout)
    result = maxout(*tensors, impl="native")
    exact = truth.affine_pieces(*tensors).amax(2)
    assert truth.worst(result, exact) <= truth.allowed(maxout(*tensors, impl="reference"), exact)
    winner = torch.ops.gantool.maxout_forward(*tensors)[1]
    grad = normal(*exact.shape, seed=5).to(DEVICE, dtype)
    right = truth.maxout_gradients(tensors, winner, grad)
    flat = torch.nn.functional.linear(tensors[0], tensors[1].flatten(0, 1), tensors[2].flatten())
    plain, plain_winner = flat.unflatten(1, case.bias.shape).max(2)
    theirs = torch.autograd.grad(plain, tensors, grad)
    their_right = truth.maxout_gradients(tensors, plain_winner, grad)
    mine = torch.autograd.grad(result, tensors, grad)
    for one, exact_one, other, exact_other in zip(mine, right, theirs, their_right, strict=True):
        assert truth.worst(one, exact_one) <= truth.allowed(other, exact_other)


@DTYPES
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("case", PARZEN_CASES, ids=lambda case: case.name)
def test_parzen_is_as_close_to_float64_as_the_reference(case: ParzenCase, dtype: torch.dtype, layout: str) -> None:
    queries, samples = on_device(case.queries, case.samples, dtype=dtype, layout=layout)
    if not (queries.isfinite().all() and samples.isfinite().all()):
        pytest.skip(f"the case is beyond {dtype}")
    sigmas = torch.tensor(case.sigmas, device=DEVICE)
    exact = truth.parzen_log_density(queries, samples, sigmas)
    result = parzen_log_density(queries, samples, sigmas, impl="native")
    reference = parzen_log_density(queries, samples, sigmas, impl="reference")
    rounding = EPSILON * truth.largest(exact) + truth.cancellation(case, torch.float32)
    assert truth.worst(result, exact) <= 2 * truth.worst(reference, exact) + rounding


@pytest.mark.parametrize("case", PARZEN_CASES, ids=lambda case: case.name)
def test_parzen_in_float64_is_exact(case: ParzenCase) -> None:
    queries, samples = (t.detach() for t in on_device(case.queries, case.samples, dtype=torch.float64))
    sigmas = torch.tensor(case.sigmas, device=DEVICE, dtype=torch.float64)
    exact = truth.parzen_log_density(queries, samples, sigmas)
    rounding = torch.finfo(torch.float64).eps * truth.largest(exact)
    wander = 4 + case.samples.shape[1] ** 0.5
    result = parzen_log_density(queries, samples, sigmas, impl="native")
    assert truth.worst(result, exact) <= wander * (rounding + truth.cancellation(case, torch.float64))


@pytest.mark.parametrize("far", [1e3, 1e6, 1e30])
@pytest.mark.parametrize("place", [0, 700])
def test_one_far_sample_spoils_no_density(place: int, far: float) -> None:
    rng = torch.Generator().manual_seed(0)
    queries, samples = torch.rand(150, 784, generator=rng), torch.rand(1000, 784, generator=rng)
    samples[place] = far
    exact = truth.parzen_log_density(queries, samples, torch.tensor([0.2]))
    result = parzen_log_density(queries.to(DEVICE), samples.to(DEVICE), [0.2], impl="native").cpu()
    assert truth.worst(result, exact) < 2e-3 + EPSILON / 2 * truth.largest(exact)


def test_rows_far_from_each_other_keep_the_bound() -> None:
    rng = torch.Generator().manual_seed(1)
    rows = torch.rand(3000, 2, generator=rng) * 1e4
    exact = truth.parzen_log_density(rows[:500], rows, torch.tensor([1.0]))
    result = parzen_log_density(rows[:500].to(DEVICE), rows.to(DEVICE), [1.0], impl="native").cpu()
    assert truth.worst(result, exact) < 2e-3 * 0.04 + EPSILON / 2 * truth.largest(exact)


@DTYPES
def test_an_infinite_query_has_no_density(dtype: torch.dtype) -> None:
    queries, samples = (t.detach() for t in on_device(normal(5, 7), normal(40, 7, seed=1), dtype=dtype))
    queries[3, 2] = -math.inf
    density = parzen_log_density(queries, samples, [0.5, 1.0], impl="native")
    assert density.isnan().sum(dim=0).tolist() == [0, 0, 0, 2, 0]


def test_pixels_divided_on_the_gpu_are_exact() -> None:
    pixels = torch.randint(0, 256, (900, 784), generator=torch.Generator().manual_seed(2))
    rows = pixels.to(DEVICE) / 255
    exact = truth.parzen_log_density(
        pixels[:60].double() / 255, pixels[60:].double() / 255, torch.tensor([0.2]).double()
    )
    result = parzen_log_density(rows[:60], rows[60:], [0.2], impl="native").cpu()
    assert truth.worst(result, exact) < 2e-4 + EPSILON * truth.largest(exact)


def test_tf32_leaves_the_density_alone() -> None:
    queries, samples = (t.detach() for t in on_device(normal(64, 784), normal(500, 784, seed=1)))
    before = torch.get_float32_matmul_precision()
    for impl in ("native", "reference"):
        expected = parzen_log_density(queries, samples, [0.5], impl=impl)
        torch.set_float32_matmul_precision("high")
        try:
            result = parzen_log_density(queries, samples, [0.5], impl=impl)
        finally:
            torch.set_float32_matmul_precision(before)
        assert torch.equal(result, expected)


def test_the_callers_stream_is_used() -> None:
    stream = torch.cuda.Stream()
    x, weight, bias = (t.detach() for t in on_device(normal(512, 256), normal(64, 5, 256), normal(64, 5)))
    rows = x.clone()
    torch.cuda.synchronize()
    with torch.cuda.stream(stream):
        # Long work first: a kernel on another stream would read `rows` before it is overwritten.
        torch.cuda._sleep(50_000_000)
        rows.mul_(2.0)
        out = maxout(rows, weight, bias, impl="native")
        density = parzen_log_density(rows, rows, [1.0], impl="native")
    stream.synchronize()
    torch.testing.assert_close(out, maxout(x * 2, weight, bias, impl="native"), rtol=0, atol=0)
    torch.testing.assert_close(density, parzen_log_density(x * 2, x * 2, [1.0], impl="native"), rtol=0, atol=0)


def test_maxout_and_parzen_can_be_captured_in_a_graph() -> None:
    x, weight, bias = (t.detach() for t in on_device(normal(64, 96), normal(32, 5, 96), normal(32, 5)))
    sigmas = torch.tensor([0.5, 1.0], device=DEVICE)
    warm_up = torch.cuda.Stream()
    with torch.cuda.stream(warm_up):
        maxout(x, weight, bias, impl="native")
        parzen_log_density(x, x, sigmas, impl="native")
    warm_up.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        out = maxout(x, weight, bias, impl="native")
        density = parzen_log_density(x, x, sigmas, impl="native")
    x.copy_(normal(64, 96, seed=9))
    graph.replay()
    assert torch.equal(out, maxout(x, weight, bias, impl="native"))
    assert torch.equal(density, parzen_log_density(x, x, sigmas, impl="native"))


# parameter, velocity and gradient of one shape; the last has rows of whole vectors, 196 of them.
MOMENTUM_SHAPES = [(1,), (7,), (0, 5), (5, 3), (4, 3, 11), (240, 5, 101), (33, 5, 784)]


def momentum_tensors(*shape: int, kind: torch.dtype = torch.float32, offset: int = 0) -> list[Tensor]:
    """parameter, velocity, gradient and copy on the GPU, each beginning `offset` elements into its storage."""
    tensors = [normal(*shape, seed=1).float(), normal(*shape, seed=2).float(), normal(*shape, seed=3).to(kind)]
    made = []
    for tensor in (*tensors, torch.zeros(shape, dtype=torch.bfloat16)):
        store = torch.zeros(tensor.numel() + offset, dtype=tensor.dtype, device=DEVICE)
        made.append(store[offset:].view(shape).copy_(tensor))
    return made


@pytest.mark.parametrize("offset", [0, 1])
@pytest.mark.parametrize("bound", [math.inf, 0.9])
@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("shape", MOMENTUM_SHAPES, ids=str)
def test_the_momentum_update_is_the_cpus(shape: tuple[int, ...], kind: torch.dtype, bound: float, offset: int) -> None:
    parameter, velocity, gradient, copy = momentum_tensors(*shape, kind=kind, offset=offset)
    theirs, fallen = parameter.cpu(), velocity.cpu()
    rates = torch.tensor([0.25, 0.6], dtype=torch.float64)
    momentum_step(theirs, fallen, gradient.cpu(), rates, bound=bound)
    momentum_step(parameter, velocity, gradient, rates.to(DEVICE), bound=bound, copy=copy)
    # Each rounds a product or two, a difference and a sum of values below 8, then scales once.
    assert truth.worst(velocity.cpu(), fallen.double()) < 8 * EPSILON
    assert truth.worst(parameter.cpu(), theirs.double()) < 16 * EPSILON
    assert torch.equal(copy, parameter.bfloat16())


@pytest.mark.parametrize("bound", [math.inf, 0.9])
def test_a_captured_momentum_update_takes_the_rates_of_each_replay(bound: float) -> None:
    parameter, velocity, gradient, copy = momentum_tensors(17, 96)
    rates = torch.tensor([0.25, 0.6], dtype=torch.float64, device=DEVICE)
    warm_up = torch.cuda.Stream()
    warm_up.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(warm_up):
        momentum_step(parameter, velocity, gradient, rates, bound=bound, copy=copy)
    warm_up.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        momentum_step(parameter, velocity, gradient, rates, bound=bound, copy=copy)
    for pair in ((0.25, 0.6), (0.01, 0.9)):
        moved, fallen = parameter.clone(), velocity.clone()
        present = torch.tensor(pair, dtype=torch.float64, device=DEVICE)
        momentum_step(moved, fallen, gradient, present, bound=bound)
        rates.copy_(present)
        graph.replay()
        assert torch.equal(parameter, moved)
        assert torch.equal(velocity, fallen)
        assert torch.equal(copy, parameter.bfloat16())


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the compiler's own imports
def test_opcheck_and_compile() -> None:
    case = maxout_case("", 10, 7, 4, 3)
    tensors = on_device(case.x, case.weight, case.bias)
    torch.library.opcheck(torch.ops.gantool.maxout_forward, tuple(tensors))
    rows = tensors[0].detach()
    torch.library.opcheck(torch.ops.gantool.parzen_log_density, (rows, rows, torch.ones(2, device=DEVICE)))
    rates = torch.tensor([0.25, 0.6], dtype=torch.float64, device=DEVICE)
    parameter, velocity, gradient, copy = momentum_tensors(4, 3)
    torch.library.opcheck(torch.ops.gantool.momentum_step.default, (parameter, velocity, gradient, copy, rates, 0.9))
    compiled = torch.compile(lambda *t: maxout(*t, impl="native"), fullgraph=True)
    torch.testing.assert_close(compiled(*tensors), maxout(*tensors, impl="native"))
