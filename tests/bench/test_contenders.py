"""Every contender computes what it is timed for, and computes all of it."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from gantool.bench import maxout, parzen
from gantool.bench.runner import Plan, _run_case, load_warnings
from gantool.bench.timing import Effort

CPU = torch.device("cpu")
SLOW_TO_START = {"compile", "keops"}  # both run a compiler


class Counter(TorchDispatchMode):
    """Counts how often each torch operator runs."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: dict[str, int] = {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        name = func.overloadpacket.__name__
        self.counts[name] = self.counts.get(name, 0) + 1
        return func(*args, **(kwargs or {}))


def rows(count: int) -> Tensor:
    return torch.rand(count, 20, generator=torch.Generator().manual_seed(count))


def distance_passes(call) -> int:  # type: ignore[no-untyped-def]
    with Counter() as counter:
        call()
    return counter.counts["_cdist_forward"] if "_cdist_forward" in counter.counts else counter.counts["cdist"]


def test_ten_eager_evaluations_are_ten() -> None:
    sigmas = parzen.Shape(9, 11, 20, 10).sigmas()
    assert distance_passes(lambda: parzen.eager(rows(9), rows(11), sigmas)) == 10
    assert distance_passes(lambda: parzen.eager_shared(rows(9), rows(11), sigmas)) == 1


def test_the_bandwidths_are_the_papers() -> None:
    assert parzen.Shape(1, 1, 1).sigmas() == [0.2]
    ten = torch.logspace(-1, 0, 10, dtype=torch.float64).tolist()
    assert parzen.Shape(1, 1, 1, 10).sigmas() == pytest.approx(ten, rel=1e-12)


def test_the_parzen_truth_is_the_equation() -> None:
    queries, samples, sigma = rows(3), rows(5), 0.3
    truth = parzen._brute_force(queries, samples, [sigma])
    for i, query in enumerate(queries.tolist()):
        total = 0.0
        for sample in samples.tolist():
            squared = sum((q - s) ** 2 for q, s in zip(query, sample, strict=True))
            total += math.exp(-squared / (2 * sigma**2)) / (2 * math.pi * sigma**2) ** 10
        assert truth[0, i].item() == pytest.approx(math.log(total / 5), rel=1e-12)


@pytest.mark.parametrize("index", [0, 1, 2])
def test_every_parzen_contender_is_near_float64(index: int, tmp_path: Path) -> None:
    case = parzen.cases(True, False, CPU, tmp_path)[index]
    problem = case.build(CPU, frozenset(parzen.IMPLS) - SLOW_TO_START)
    assert {"reference", "eager", "sklearn"} <= set(problem.contenders)
    for name in problem.contenders:
        error = problem.error(problem.contenders[name]())
        assert error is not None
        assert error.value < 2e-3 * 4, name  # the project's bound at sigma = 0.1, the narrowest here


def test_an_error_is_seen() -> None:
    case = parzen.cases(True, False, CPU, None)[2]
    problem = case.build(CPU, frozenset({"reference"}))
    error = problem.error(problem.contenders["reference"]() + 0.25)
    assert error is not None
    assert error.value == pytest.approx(0.25, abs=1e-3)


@pytest.mark.parametrize("index", [0, 1])
def test_every_maxout_contender_gives_the_output_and_three_gradients(index: int) -> None:
    case = maxout.cases(True, False, CPU)[index]
    problem = case.build(CPU, frozenset(maxout.IMPLS) - SLOW_TO_START)
    bound = 1e-5 if case.dtype == torch.float32 else 2e-2
    for name in set(problem.contenders) - {"gemm"}:
        result = problem.contenders[name]()
        assert [tuple(tensor.shape) for tensor in result] == [(8, 12), (8, 24), (12, 5, 24), (12, 5)]
        error = problem.error(result)
        assert error is not None
        assert error.gradient is not None
        assert error.value < bound, name
        # In 16 bits a near tie may go to another piece; a lost gradient would be an error of 1.
        assert error.gradient < (1e-5 if case.dtype == torch.float32 else 0.3), name


def test_the_limit_is_three_products_of_the_stated_work() -> None:
    case = maxout.cases(True, False, CPU)[0]
    assert case.flops == 3 * 2 * 8 * 24 * 12 * 5
    problem = case.build(CPU, frozenset({"gemm"}))
    with Counter() as counter:
        assert problem.contenders["gemm"]() is None
    assert counter.counts["mm"] == 3
    assert problem.error(None) is None


def test_a_compiler_that_fails_is_left_out_and_its_reason_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(function):  # type: ignore[no-untyped-def]
        def run(*arguments):  # type: ignore[no-untyped-def]
            raise RuntimeError("no compiler here\nand more")

        return run

    monkeypatch.setattr("gantool.bench.rivals.compile_fresh", broken)
    plan = Plan("maxout", quick=True, effort=Effort(1, 1.0), impls=("compile", "eager"))
    records, reasons = _run_case(maxout.cases(True, False, CPU)[0], plan, CPU, 1e9)
    assert [record.impl for record in records] == ["eager"]
    assert dict(reasons) == {"compile": "it fails: no compiler here"}


def test_figures_from_a_busy_machine_carry_a_warning() -> None:
    assert load_warnings(0.3, 2) == []
    assert "load 5.4 on 2 cores" in load_warnings(5.4, 2)[0]
