"""Maxout, compiled and reference, against the same sums in float64."""

from __future__ import annotations

import pytest
import torch
from ops import truth
from ops.cases import LAYOUTS, LOW_PRECISION, MAXOUT_CASES, MaxoutCase, impls, maxout_case, normal
from torch import Tensor

from gantool.errors import UsageError
from gantool.ops import maxout, selected_impl

CASES = pytest.mark.parametrize("case", MAXOUT_CASES, ids=lambda case: case.name)
DTYPES = pytest.mark.parametrize("dtype", LOW_PRECISION, ids=str)


def cast(case: MaxoutCase, dtype: torch.dtype, layout: str = "contiguous") -> list[Tensor]:
    """The case's tensors in a type and layout, as leaves."""
    tensors = (LAYOUTS[layout](t.to(dtype)) for t in (case.x, case.weight.flatten(1), case.bias))
    x, weight, bias = tensors
    return [t.detach().requires_grad_() for t in (x, weight.unflatten(1, case.weight.shape[1:]), bias)]


@pytest.mark.native
@CASES
@DTYPES
@pytest.mark.parametrize("layout", LAYOUTS)
def test_native_is_as_close_to_float64_as_plain_torch(case: MaxoutCase, dtype: torch.dtype, layout: str) -> None:
    tensors = cast(case, dtype, layout)
    exact = truth.affine_pieces(*tensors).amax(2)
    result = maxout(*tensors, impl="native")
    plain = maxout(*tensors, impl="reference")
    assert result.dtype == dtype
    assert result.shape == exact.shape
    assert truth.worst(result, exact) <= truth.allowed(plain, exact)


@pytest.mark.native
@CASES
@DTYPES
@pytest.mark.parametrize("layout", LAYOUTS)
def test_native_gradients_are_as_close_to_float64_as_plain_torch(
    case: MaxoutCase, dtype: torch.dtype, layout: str
) -> None:
    tensors = cast(case, dtype, layout)
    grad = normal(case.x.shape[0], case.weight.shape[0], seed=5).to(dtype)
    winner = torch.ops.gantool.maxout_forward(*tensors)[1]
    flat = torch.nn.functional.linear(tensors[0], tensors[1].flatten(0, 1), tensors[2].flatten())
    plain_out, plain_winner = flat.unflatten(1, case.bias.shape).max(2)
    actual = torch.autograd.grad(maxout(*tensors, impl="native"), tensors, grad)
    plain = torch.autograd.grad(plain_out, tensors, grad)
    exact = truth.maxout_gradients(tensors, winner, grad)
    plain_exact = truth.maxout_gradients(tensors, plain_winner, grad)
    for mine, right, theirs, their_right in zip(actual, exact, plain, plain_exact, strict=True):
        assert mine.shape == right.shape
        assert truth.worst(mine, right) <= truth.allowed(theirs, their_right)


@pytest.mark.parametrize("impl", impls())
def test_a_tie_goes_to_the_lowest_piece(impl: str) -> None:
    x, weight = torch.ones(3, 2), torch.ones(4, 3, 2)
    bias = torch.tensor([0.0, 1.0, 1.0]).repeat(4, 1).requires_grad_()
    maxout(x, weight, bias, impl=impl).sum().backward()
    assert bias.grad.tolist() == [[0.0, 3.0, 0.0]] * 4


@pytest.mark.native
def test_native_and_reference_agree_on_every_tie_to_the_bit() -> None:
    case = next(case for case in MAXOUT_CASES if case.name == "ties")
    tensors = cast(case, torch.float32)
    grads = [torch.autograd.grad(maxout(*tensors, impl=impl).sum(), tensors) for impl in ("native", "reference")]
    for mine, theirs in zip(*grads, strict=True):
        assert torch.equal(mine, theirs)


@pytest.mark.parametrize("impl", impls())
@DTYPES
def test_nan_and_infinity_stay_in_their_units(impl: str, dtype: torch.dtype) -> None:
    x, weight, bias = (t.detach() for t in cast(maxout_case("", 4, 8, 5, 3), dtype))
    clean = maxout(x, weight, bias, impl=impl)
    bias = bias.clone()
    bias[1, 2], bias[3, 0] = torch.nan, torch.inf
    x = x.clone()
    x[2, 0] = torch.nan
    result = maxout(x, weight, bias, impl=impl)
    assert result[:, 1].isnan().all()
    assert result[2].isnan().all()
    assert (result[[0, 1, 3], 3] == torch.inf).all()
    kept = result[[0, 1, 3]][:, [0, 2, 4]]
    assert torch.equal(kept, clean[[0, 1, 3]][:, [0, 2, 4]])


@pytest.mark.parametrize("impl", impls())
def test_each_gradient_can_be_had_alone(impl: str) -> None:
    case = maxout_case("", 6, 9, 4, 3)
    together = cast(case, torch.float32)
    expected = torch.autograd.grad(maxout(*together, impl=impl).sum(), together)
    for index in range(3):
        tensors = [t.detach() for t in together]
        tensors[index].requires_grad_()
        (alone,) = torch.autograd.grad(maxout(*tensors, impl=impl).sum(), tensors[index])
        assert torch.equal(alone, expected[index])


def test_reference_gradients_match_finite_differences_twice() -> None:
    tensors = cast(maxout_case("", 4, 3, 2, 3), torch.float64)
    assert torch.autograd.gradcheck(maxout, tensors)
    assert torch.autograd.gradgradcheck(maxout, tensors)


@pytest.mark.native
def test_native_second_derivatives_equal_the_reference() -> None:
    tensors = cast(maxout_case("", 16, 12, 6, 3), torch.float32)
    penalties = []
    for impl in ("native", "reference"):
        x, weight, bias = tensors
        out = maxout(maxout(x, weight, bias, impl=impl).tanh(), weight[:, :, :6], bias, impl=impl)
        grads = torch.autograd.grad(out.sum(), tensors, create_graph=True)
        penalty = sum((grad.square().sum() for grad in grads), start=torch.zeros(()))
        penalties.append(torch.autograd.grad(penalty, tensors))
    for mine, theirs in zip(*penalties, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-4)


# torch 2.14's own check reads .grad of tensors that are not leaves.
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")
@pytest.mark.native
@DTYPES
def test_opcheck(dtype: torch.dtype) -> None:
    tensors = cast(maxout_case("", 5, 7, 3, 2), dtype)
    torch.library.opcheck(torch.ops.gantool.maxout_forward, tuple(tensors))
    winner = torch.ops.gantool.maxout_forward(*tensors)[1]
    plain = [t.detach() for t in tensors]
    for needs in ((True, True, True), (True, False, True), (False, True, False)):
        arguments = (normal(5, 3).to(dtype), winner, plain[0], plain[1], *needs)
        torch.library.opcheck(torch.ops.gantool.maxout_backward, arguments)


@pytest.mark.parametrize("impl", impls())
def test_compiles_whole(impl: str) -> None:
    tensors = cast(maxout_case("", 10, 7, 4, 3), torch.float32)
    compiled = torch.compile(lambda *t: maxout(*t, impl=impl), fullgraph=True, backend="aot_eager")
    eager = maxout(*tensors, impl=impl)
    result = compiled(*tensors)
    torch.testing.assert_close(result, eager)
    grads = torch.autograd.grad(result.sum(), tensors)
    for mine, theirs in zip(grads, torch.autograd.grad(eager.sum(), tensors), strict=True):
        torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize("impl", impls())
def test_autocast_takes_the_lower_type_and_gives_gradients_in_the_parameters_own(impl: str) -> None:
    tensors = cast(maxout_case("", 10, 7, 4, 3), torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = maxout(*tensors, impl=impl)
    assert result.dtype == torch.bfloat16
    lowered = maxout(*(t.detach().bfloat16() for t in tensors), impl=impl)
    assert torch.equal(result.detach(), lowered)
    result.sum().backward()
    assert all(t.grad.dtype == torch.float32 for t in tensors)


@pytest.mark.native
def test_the_thread_count_changes_no_bit_of_float32_gradients() -> None:
    tensors = cast(maxout_case("", 130, 77, 20, 5), torch.float32)
    before = torch.get_num_threads()
    results = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        winner = torch.ops.gantool.maxout_forward(*tensors)[1]
        grad = torch.ones(130, 20)
        flags = (True, True, True)
        results.append(torch.ops.gantool.maxout_backward(grad, winner, *tensors[:2], *flags))
    torch.set_num_threads(before)
    for one, two in zip(*results, strict=True):
        assert torch.equal(one, two)


def test_float64_and_too_many_pieces_are_the_references() -> None:
    x, weight, bias = (t.detach() for t in cast(maxout_case("", 2, 3, 2, 2), torch.float64))
    assert selected_impl("maxout", x, weight) == "reference (torch)"
    assert torch.allclose(maxout(x, weight, bias), truth.affine_pieces(x, weight, bias).amax(2))
    wide = torch.zeros(2, 257, 3)
    assert selected_impl("maxout", x.float(), wide) == "reference (torch)"


@pytest.mark.native
def test_a_forced_native_that_cannot_run_says_why() -> None:
    x, weight, bias = (t.detach() for t in cast(maxout_case("", 2, 3, 2, 2), torch.float64))
    with pytest.raises(UsageError, match="maxout cannot run with impl='native': float64"):
        maxout(x, weight, bias, impl="native")
    with pytest.raises(UsageError, match="257 pieces and the kernel takes at most 256"):
        maxout(x.float(), torch.zeros(2, 257, 3), torch.zeros(2, 257), impl="native")


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (((4,), (2, 3, 5), (2, 3)), r"x must be \[B, I\] = \[any, any\], and is \[4\]"),
        (((4, 5), (2, 3, 6), (2, 3)), r"weight must be \[U, P, I\] = \[any, any, 5\], and is \[2, 3, 6\]"),
        (((4, 5), (2, 3, 5), (2, 4)), r"bias must be \[U, P\] = \[2, 3\], and is \[2, 4\]"),
        (((4, 5), (2, 0, 5), (2, 0)), "weight must have at least one piece, and has none"),
    ],
)
def test_a_wrong_shape_is_named(shapes: tuple[tuple[int, ...], ...], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        maxout(*(torch.zeros(shape) for shape in shapes))


def test_a_wrong_type_is_named() -> None:
    x, weight, bias = torch.zeros(1, 2), torch.zeros(3, 4, 2), torch.zeros(3, 4)
    with pytest.raises(UsageError, match=r"x must be float32, .* and is torch.int64"):
        maxout(x.long(), weight, bias)
    with pytest.raises(UsageError, match=r"weight must have the type of x \(torch.float32\), and is torch.float16"):
        maxout(x, weight.half(), bias)
    with pytest.raises(UsageError, match=r"bias must be on the device of x \(cpu\), and is on meta"):
        maxout(x, weight, bias.to("meta"))
    with pytest.raises(UsageError, match="impl must be auto, native or reference, and is 'fast'"):
        maxout(x, weight, bias, impl="fast")


@pytest.mark.native
def test_the_compiled_door_names_the_argument_too() -> None:
    forward = torch.ops.gantool.maxout_forward
    with pytest.raises((ValueError, RuntimeError), match=r"maxout: weight must be \[U, P, I\] = \[any, any, 2\]"):
        forward(torch.zeros(1, 2), torch.zeros(3, 4, 5), torch.zeros(3, 4))
    with pytest.raises((ValueError, RuntimeError), match="maxout: bias must be of the type of x"):
        forward(torch.zeros(1, 2), torch.zeros(3, 4, 2), torch.zeros(3, 4).half())
