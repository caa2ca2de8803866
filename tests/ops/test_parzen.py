"""The Parzen log-density, compiled and reference, against brute force in float64."""

from __future__ import annotations

import gzip
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from ops import truth
from ops.cases import LAYOUTS, LOW_PRECISION, PARZEN_CASES, ParzenCase, impls, normal, parzen_case
from torch import Tensor

from gantool.errors import UsageError
from gantool.ops import parzen_log_density, selected_impl

CASES = pytest.mark.parametrize("case", PARZEN_CASES, ids=lambda case: case.name)
DTYPES = pytest.mark.parametrize("dtype", LOW_PRECISION, ids=str)
EPSILON = torch.finfo(torch.float32).eps
IMPLS = pytest.mark.parametrize("impl", impls())


def cast(case: ParzenCase, dtype: torch.dtype, layout: str = "contiguous") -> list[Tensor]:
    """The case's tensors in a type and layout, as leaves; the bandwidths in the computing type."""
    sigma_type = torch.float64 if dtype == torch.float64 else torch.float32
    data = [LAYOUTS[layout](t.to(dtype)) for t in (case.queries, case.samples)]
    return [t.detach().requires_grad_() for t in (*data, torch.tensor(case.sigmas, dtype=sigma_type))]


@pytest.mark.native
@CASES
@DTYPES
@pytest.mark.parametrize("layout", LAYOUTS)
def test_native_is_as_close_to_float64_as_the_reference(case: ParzenCase, dtype: torch.dtype, layout: str) -> None:
    tensors = [t.detach() for t in cast(case, dtype, layout)]
    if not all(t.isfinite().all() for t in tensors):
        pytest.skip(f"the case is beyond {dtype}")
    exact = truth.parzen_log_density(*tensors)
    result = parzen_log_density(*tensors, impl="native")
    reference = parzen_log_density(*tensors, impl="reference")
    assert result.dtype == torch.float32
    assert result.shape == exact.shape
    rounding = EPSILON * truth.largest(exact) + truth.cancellation(case, torch.float32)
    assert truth.worst(result, exact) <= 2 * truth.worst(reference, exact) + rounding


@IMPLS
@CASES
def test_float64_is_exact(impl: str, case: ParzenCase) -> None:
    tensors = [t.detach() for t in cast(case, torch.float64)]
    result = parzen_log_density(*tensors, impl=impl)
    exact = truth.parzen_log_density(*tensors)
    assert result.dtype == torch.float64
    rounding = torch.finfo(torch.float64).eps * truth.largest(exact)
    # The oracle has float64's digits too, and its sums of D terms wander by √D roundings.
    wander = 4 + case.samples.shape[1] ** 0.5
    assert truth.worst(result, exact) <= wander * (rounding + truth.cancellation(case, torch.float64))


def mnist_rows(root: Path, name: str, count: int) -> Tensor:
    """The first images of a real MNIST file, as floats in [0, 1]."""
    raw = gzip.decompress((root / "mnist" / name).read_bytes())
    pixels = np.frombuffer(raw, np.uint8, count * 784, offset=16).reshape(count, 784)
    return torch.from_numpy(pixels.copy()).float() / 255


MNIST_SIGMAS = torch.tensor([0.1, 0.2, 0.5, 1.0])


@pytest.fixture(scope="module", params=["bytes", "floats"])
def mnist_case(request: pytest.FixtureRequest, mnist_root: Path) -> tuple[Tensor, Tensor, Tensor]:
    """200 test images, 10,000 training images, and the exact densities.

    Generated samples are not bytes: the "floats" half moves the samples off that grid.
    """
    queries = mnist_rows(mnist_root, "t10k-images-idx3-ubyte.gz", 200)
    samples = mnist_rows(mnist_root, "train-images-idx3-ubyte.gz", 10_000)
    if request.param == "floats":
        samples = (samples + 0.01 * normal(10_000, 784).float()).clamp_(0, 1)
    exact = truth.parzen_log_density(queries, samples, MNIST_SIGMAS)
    if request.param == "bytes":
        assert exact[1].mean().item() == pytest.approx(241.83, abs=0.01)
    return queries, samples, exact


@IMPLS
def test_real_mnist_is_within_the_bound(impl: str, mnist_case: tuple[Tensor, Tensor, Tensor]) -> None:
    """|error| ≤ 2e-3·(0.2/σ)² nats."""
    queries, samples, exact = mnist_case
    result = parzen_log_density(queries, samples, MNIST_SIGMAS, impl=impl)
    errors = (result.double() - exact).abs().amax(1)
    assert (errors <= 2e-3 * (0.2 / MNIST_SIGMAS.double()) ** 2).all(), errors


@IMPLS
@DTYPES
def test_a_nan_query_is_nan_alone_and_a_nan_sample_spoils_all(impl: str, dtype: torch.dtype) -> None:
    queries, samples, sigmas = (t.detach().clone() for t in cast(parzen_case("", 40, 60, 9, 0.3, 1.0), dtype))
    clean = parzen_log_density(queries, samples, sigmas, impl=impl)
    queries[7, 2] = torch.nan
    result = parzen_log_density(queries, samples, sigmas, impl=impl)
    others = torch.arange(40) != 7
    assert result[:, 7].isnan().all()
    assert torch.equal(result[:, others], clean[:, others])
    samples[3, 0] = torch.nan
    assert parzen_log_density(queries, samples, sigmas, impl=impl).isnan().all()


@IMPLS
def test_a_far_query_is_finite(impl: str) -> None:
    queries = torch.tensor([[1e4], [1e10], [1e15], [1e19], [3e38]]).repeat(1, 3)
    result = parzen_log_density(queries, torch.zeros(20, 3), [0.2, 1.0], impl=impl)
    assert result.isfinite().all()
    exact = truth.parzen_log_density(queries[:3], torch.zeros(20, 3), torch.tensor([0.2, 1.0]))
    torch.testing.assert_close(result[:, :3].double(), exact, rtol=1e-6, atol=0)


@IMPLS
def test_an_infinite_sample_counts_for_nothing_but_its_share(impl: str) -> None:
    queries, samples, sigmas = (t.detach() for t in cast(parzen_case("", 8, 30, 5, 0.5), torch.float32))
    more = torch.cat([samples, torch.full((30, 5), torch.inf)])
    result = parzen_log_density(queries, more, sigmas, impl=impl)
    halved = parzen_log_density(queries, samples, sigmas, impl=impl) - math.log(2)
    torch.testing.assert_close(result, halved, rtol=1e-5, atol=1e-5)


def test_gradients_match_finite_differences() -> None:
    tensors = cast(parzen_case("", 5, 7, 3, 0.4, 1.5), torch.float64)
    for impl in impls():
        assert torch.autograd.gradcheck(lambda *t, impl=impl: parzen_log_density(*t, impl=impl), tensors)


def plain_torch(queries: Tensor, samples: Tensor, sigmas: Tensor) -> Tensor:
    """What one would write without this operator."""
    squared = torch.cdist(queries, samples).square()
    kernel = torch.logsumexp(-squared / (2 * sigmas[:, None, None] ** 2), dim=2)
    return kernel - samples.shape[1] * sigmas.log()[:, None]


@IMPLS
@CASES
@pytest.mark.parametrize("layout", LAYOUTS)
def test_gradients_are_as_close_to_float64_as_plain_torch(impl: str, case: ParzenCase, layout: str) -> None:
    tensors = cast(case, torch.float32, layout)
    grad = normal(len(case.sigmas), case.queries.shape[0], seed=4).float()
    actual = torch.autograd.grad(parzen_log_density(*tensors, impl=impl), tensors, grad)
    leaves = [t.detach().double().requires_grad_() for t in tensors]
    exact = torch.autograd.grad(truth.parzen_log_density(*leaves), leaves, grad.double(), materialize_grads=True)
    plain = torch.autograd.grad(plain_torch(*tensors), tensors, grad, materialize_grads=True)
    for mine, theirs, right in zip(actual, plain, exact, strict=True):
        assert mine.shape == right.shape
        # Weights are exponentials: an exponent off by δ is a weight off by δ of itself.
        rounding = (EPSILON + truth.cancellation(case, torch.float32)) * truth.largest(right)
        assert truth.worst(mine, right) <= 2 * truth.worst(theirs, right) + 2 * rounding


@IMPLS
def test_each_gradient_can_be_had_alone(impl: str) -> None:
    together = cast(parzen_case("", 9, 20, 4, 0.5, 1.0), torch.float32)
    expected = torch.autograd.grad(parzen_log_density(*together, impl=impl).sum(), together)
    for index in range(3):
        tensors = [t.detach() for t in together]
        tensors[index].requires_grad_()
        (alone,) = torch.autograd.grad(parzen_log_density(*tensors, impl=impl).sum(), tensors[index])
        assert torch.equal(alone, expected[index])


MEMORY_SCRIPT = """
import resource, sys, torch
from gantool.ops import parzen_log_density
torch.set_num_threads(1)
rows = int(sys.argv[2])
queries, samples = torch.rand(rows, 3), torch.rand(rows, 3, requires_grad=True)
parzen_log_density(queries[:64], samples[:64], [0.5], impl=sys.argv[1]).sum().backward()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
parzen_log_density(queries, samples, [0.5], impl=sys.argv[1]).sum().backward()
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@IMPLS
def test_memory_stays_bounded_forward_and_backward(impl: str) -> None:
    """10,000 × 10,000 distances would take 400 MB."""
    command = [sys.executable, "-c", MEMORY_SCRIPT, impl, "10000"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(answer.stdout) < 100


@IMPLS
def test_lower_matmul_precision_and_autocast_leave_the_density_alone(impl: str) -> None:
    queries, samples, sigmas = (t.detach() for t in cast(parzen_case("", 64, 300, 256, 0.5), torch.float32))
    expected = parzen_log_density(queries, samples, sigmas, impl=impl)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            result = parzen_log_density(queries, samples, sigmas, impl=impl)
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)
    assert torch.equal(result, expected)


@IMPLS
def test_bandwidths_may_be_a_plain_sequence(impl: str) -> None:
    queries, samples, _ = (t.detach() for t in cast(parzen_case("", 6, 11, 5, 1.0), torch.float32))
    as_tensor = parzen_log_density(queries, samples, torch.tensor([0.25, 0.5]), impl=impl)
    assert torch.equal(parzen_log_density(queries, samples, [0.25, 0.5], impl=impl), as_tensor)


@IMPLS
def test_compiles_whole(impl: str) -> None:
    tensors = cast(parzen_case("", 12, 30, 6, 0.5, 1.0), torch.float32)
    function = torch.compile(lambda *t: parzen_log_density(*t, impl=impl), fullgraph=True, backend="aot_eager")
    result, eager = function(*tensors), parzen_log_density(*tensors, impl=impl)
    assert torch.equal(result, eager)
    grads = torch.autograd.grad(result.sum(), tensors)
    for mine, theirs in zip(grads, torch.autograd.grad(eager.sum(), tensors), strict=True):
        assert torch.equal(mine, theirs)


# torch 2.14's own check reads .grad of tensors that are not leaves.
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")
def test_opcheck() -> None:
    tensors = cast(parzen_case("", 5, 7, 3, 0.5, 1.0), torch.float32)
    operators = [torch.ops.gantool.parzen_log_density_reference]
    if "native" in impls():
        operators.append(torch.ops.gantool.parzen_log_density)
    for operator in operators:
        torch.library.opcheck(operator, tuple(tensors))
    plain = [t.detach() for t in tensors]
    for needs in ((True, True, True), (True, False, False)):
        arguments = (torch.ones(2, 5), *plain, *needs)
        torch.library.opcheck(torch.ops.gantool.parzen_backward, arguments)


@pytest.mark.native
def test_two_runs_are_equal_to_the_bit() -> None:
    tensors = [t.detach() for t in cast(parzen_case("", 300, 2000, 50, 0.3, 1.0), torch.float32)]
    assert torch.equal(parzen_log_density(*tensors, impl="native"), parzen_log_density(*tensors, impl="native"))


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (((4,), (5, 3), (1,)), r"queries must be \[N, D\] = \[any, any\], and is \[4\]"),
        (((4, 3), (5, 2), (1,)), r"samples must be \[M, D\] = \[any, 3\], and is \[5, 2\]"),
        (((4, 3), (5, 3), (1, 1)), r"sigmas must be \[S\] = \[any\], and is \[1, 1\]"),
        (((4, 3), (0, 3), (1,)), "samples must have at least one row, and has none"),
        (((4, 0), (5, 0), (1,)), "queries must have at least one column, and has none"),
    ],
)
def test_a_wrong_shape_is_named(shapes: tuple[tuple[int, ...], ...], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parzen_log_density(*(torch.ones(shape) for shape in shapes))


@IMPLS
@pytest.mark.parametrize("sigma", [0.0, -1.0, math.nan, math.inf])
def test_a_bandwidth_that_is_none_is_refused(impl: str, sigma: float) -> None:
    with pytest.raises(UsageError, match="sigmas must be positive and finite, and one is"):
        parzen_log_density(torch.ones(2, 3), torch.ones(4, 3), [0.5, sigma], impl=impl)


@pytest.mark.native
def test_the_compiled_door_refuses_too() -> None:
    density = torch.ops.gantool.parzen_log_density
    ones = torch.ones(2, 3)
    with pytest.raises((ValueError, RuntimeError), match="sigmas must be positive and finite"):
        density(ones, ones, torch.tensor([-1.0]))
    with pytest.raises((ValueError, RuntimeError), match="the number of samples must be between 1"):
        density(ones, torch.ones(0, 3), torch.ones(1))


def test_the_result_names_what_ran() -> None:
    queries, samples = torch.rand(4, 3), torch.rand(5, 3)
    assert selected_impl("parzen_log_density", queries, samples, impl="reference") == "reference (torch)"
    automatic = selected_impl("parzen_log_density", queries, samples)
    assert automatic.startswith("native (" if "native" in impls() else "reference (")
