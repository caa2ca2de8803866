"""Runs cases one after the other and turns their times into records."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from gantool.bench import maxout, parzen, train
from gantool.bench.case import Case, Error, Problem
from gantool.bench.timing import Effort, peak_flops, seconds_of, speedups, time_in_turn
from gantool.config.sources import preset_text
from gantool.errors import GantoolError, UsageError
from gantool.runs.environment import describe_environment

IMPLS = {"maxout": maxout.IMPLS, "parzen": parzen.IMPLS, "train": train.IMPLS}

Observer = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """What to measure and how hard: `impls` None is every implementation there is, `preset` None every preset."""

    op: str
    quick: bool = False
    sweep: bool = False
    effort: Effort = field(default_factory=lambda: Effort(15, 30.0))
    impls: tuple[str, ...] | None = None
    data_dir: Path | None = None
    preset: str | None = None

    def __post_init__(self) -> None:
        """Raises UsageError for an unknown operator, implementation or preset, or an effort that measures nothing."""
        if self.op not in IMPLS:
            raise UsageError(f"There is no benchmark called {self.op!r}: it is one of {', '.join(IMPLS)}.")
        for name in self.impls or ():
            if name not in IMPLS[self.op]:
                raise UsageError(f"--impl {name} is not an implementation of {self.op}: {', '.join(IMPLS[self.op])}.")
        if self.preset is not None:
            preset_text(self.preset)  # raises for an unknown one
        if self.effort.repeats < 1:
            raise UsageError(f"--repeats must be at least 1, but is {self.effort.repeats}.")
        if not self.effort.seconds > 0:
            raise UsageError(f"--seconds must be positive, but is {self.effort.seconds:g}.")


@dataclass(frozen=True)
class Record:
    """One implementation on one case. Times are of one call; `speedup_over` compares within rounds.

    `max_abs_error` is against float64 brute force (nats, or the output's units), `gradient_error` the largest relative
    error of a gradient; None for a contender that computes no result. `updates_per_second` counts iterations, each
    replica's, and `images_per_second` training images; None where nothing is trained. `tflops` counts useful operations
    once, and `fraction_of_peak` is their share of a large matrix product of the same type; None where an implementation
    computes in another type than the case's.
    """

    case: str
    data: str
    device: str
    dtype: str
    impl: str
    variant: str
    median_ms: float
    min_ms: float
    max_ms: float
    repeats: int
    speedup_over: dict[str, float]
    max_abs_error: float | None
    gradient_error: float | None
    tflops: float
    fraction_of_peak: float | None
    updates_per_second: float | None = None
    images_per_second: float | None = None


def run_benchmark(plan: Plan, device: torch.device, observe: Observer) -> dict[str, Any]:
    """Measures every case of the plan; `observe` hears what begins.

    Raises GantoolError where none of the wanted implementations can run.
    """
    load = os.getloadavg()[0]
    started = time.perf_counter()
    peaks: dict[torch.dtype, float] = {}
    records: list[Record] = []
    left_out: list[dict[str, str]] = []
    for case in _cases(plan, device):
        if case.dtype not in peaks:
            observe(f"the peak in {_name(case.dtype)}")
            peaks[case.dtype] = peak_flops(case.dtype, device, _peak_side(plan, device))
        observe(f"{case.name} ({_name(case.dtype)}, {case.data})")
        found, reasons = _run_case(case, plan, device, peaks[case.dtype])
        records += found
        left_out += [{"case": case.name, "dtype": _name(case.dtype), "impl": i, "reason": r} for i, r in reasons]
    if not records:
        why = f"{left_out[0]['impl']}: {left_out[0]['reason']}" if left_out else "no case here has what --impl asks for"
        raise GantoolError(f"Nothing could be measured: {why}.")
    return {
        "op": plan.op,
        "environment": describe_environment(device) | {"load_average_before": round(load, 2)},
        "peak_tflops": {_name(dtype): flops / 1e12 for dtype, flops in peaks.items()},
        "cases": [asdict(record) for record in records],
        "left_out": left_out,
        "warnings": load_warnings(load, os.cpu_count() or 1),
        "seconds": time.perf_counter() - started,
    }


def load_warnings(load: float, cores: int) -> list[str]:
    """What must be said of figures taken while others used the machine; `load` is from before the first case."""
    if load < 0.5 * cores:
        return []
    return [
        f"The machine was busy before the first case (load {load:.1f} on {cores} cores): do not quote these figures."
    ]


def _cases(plan: Plan, device: torch.device) -> list[Case]:
    if plan.op == "maxout":
        return maxout.cases(plan.quick, plan.sweep, device)
    if plan.op == "train":
        return train.cases(plan.quick, device, plan.data_dir, plan.preset)
    return parzen.cases(plan.quick, plan.sweep, device, plan.data_dir)


def _peak_side(plan: Plan, device: torch.device) -> int:
    if plan.quick:
        return 512
    return 8192 if device.type == "cuda" else 3072


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _impls(plan: Plan) -> frozenset[str]:
    """The wanted names; compiling takes longer than everything else that is quick, so there it must be asked for."""
    if plan.impls is not None:
        return frozenset(plan.impls)
    return frozenset(IMPLS[plan.op]) - ({"compile"} if plan.quick else frozenset())


def _run_case(
    case: Case, plan: Plan, device: torch.device, peak: float
) -> tuple[list[Record], Iterable[tuple[str, str]]]:
    torch.compiler.reset()  # each case compiles for its own shapes, and none meets the limit on recompilations
    problem = case.build(device, _impls(plan))
    absent = dict(problem.absent)
    if plan.quick and plan.impls is None:
        absent["compile"] = "compiling is not quick: ask for it with --impl compile"
    errors = _warm_up(problem, device, absent)
    calls = {name: problem.contenders[name] for name in errors}
    times = time_in_turn(calls, device, plan.effort) if calls else {}
    records = [_record(case, device, name, problem.details.get(name, ""), times, errors[name], peak) for name in times]
    return records, absent.items()


def _warm_up(problem: Problem, device: torch.device, absent: dict[str, str]) -> dict[str, Error | None]:
    """Runs each contender once and measures its error. A compiler that fails here is a rival that does not work: it is
    left out and its reason told. Any other failure is one of this program, and raises."""
    errors: dict[str, Error | None] = {}
    for name, call in problem.contenders.items():
        try:
            result = call()
        except Exception as error:
            if name not in ("compile", "keops"):
                raise
            absent[name] = f"it fails: {(str(error).strip() or type(error).__name__).splitlines()[0]}"
            continue
        seconds_of(lambda: None, device)  # whatever the device still has to say belongs to this contender
        errors[name] = problem.error(result)
    return errors


def _record(
    case: Case,
    device: torch.device,
    name: str,
    variant: str,
    times: dict[str, list[float]],
    error: Error | None,
    peak: float,
) -> Record:
    taken = times[name]
    median = statistics.median(taken)
    return Record(
        case=case.name,
        data=case.data,
        device=str(device),
        dtype=_name(case.dtype),
        impl=name,
        variant=variant or name,
        median_ms=median * 1e3,
        min_ms=min(taken) * 1e3,
        max_ms=max(taken) * 1e3,
        repeats=len(taken),
        speedup_over=speedups(times, name),
        max_abs_error=error.value if error else None,
        gradient_error=error.gradient if error else None,
        tflops=case.flops / median / 1e12,
        fraction_of_peak=None if _in_another_type(case, variant) else case.flops / median / peak,
        updates_per_second=case.updates / median if case.updates else None,
        images_per_second=case.images / median if case.images else None,
    )


def _in_another_type(case: Case, variant: str) -> bool:
    """Whether a contender's description names a type, and another one than the case's."""
    named = [name for name in ("bfloat16", "float32") if name in variant]
    return bool(named) and _name(case.dtype) not in named
