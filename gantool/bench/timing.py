"""Timing in turn: A B C, A B C … so that whatever slows the machine for a while slows every contender."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

# One measurement lasts at least this long: it is made of as many calls as the fastest contender needs for it.
_LEAST_SECONDS = 0.01
_LEAST_ROUNDS = 3

Call = Callable[[], Any]


@dataclass(frozen=True)
class Effort:
    """How long a case is measured: at most `repeats` rounds, and, after three of them, `seconds` in all."""

    repeats: int
    seconds: float


def seconds_of(call: Call, device: torch.device, calls: int = 1) -> float:
    """Seconds a call takes, the mean of `calls` in a row, the device's queue drained before and after."""
    _drain(device)
    started = time.perf_counter()
    for _ in range(calls):
        call()
    _drain(device)
    return (time.perf_counter() - started) / calls


def _drain(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def time_in_turn(contenders: Mapping[str, Call], device: torch.device, effort: Effort) -> dict[str, list[float]]:
    """Seconds a call of each contender, round by round; index i of every list is of the same round.

    Each contender has run once before (its warm-up). One that has spent its share of the time sits out the later
    rounds, so that a slow rival does not keep the fast ones from being measured often: its list is then shorter.
    """
    first = {name: seconds_of(call, device) for name, call in contenders.items()}
    calls = max(1, math.ceil(_LEAST_SECONDS / max(min(first.values()), 1e-9)))
    share = effort.seconds / len(contenders)
    # Where one call fills a measurement, the first round is as good as any other.
    times = {name: [seconds] if calls == 1 else [] for name, seconds in first.items()}
    rounds = len(next(iter(times.values())))
    while rounds < effort.repeats:
        rounds += 1
        for name, call in contenders.items():
            taken = times[name]
            spent = sum(taken) * calls
            if len(taken) == rounds - 1 and (len(taken) < _LEAST_ROUNDS or spent < share):
                taken.append(seconds_of(call, device, calls))
    return times


def speedups(times: Mapping[str, list[float]], name: str) -> dict[str, float]:
    """How many times faster `name` is than each other: the median of the ratios within the rounds that both ran."""
    own = times[name]
    return {
        other: statistics.median(theirs / ours for ours, theirs in zip(own, taken, strict=False))
        for other, taken in times.items()
        if other != name
    }


def peak_flops(dtype: torch.dtype, device: torch.device, side: int, repeats: int = 5) -> float:
    """Operations a second of this machine's best [side, side] matrix product in torch: the measured peak."""
    left, right = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    seconds_of(lambda: left @ right, device)
    best = min(seconds_of(lambda: left @ right, device) for _ in range(repeats))
    return 2.0 * side**3 / best
