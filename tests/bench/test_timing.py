"""Timing in turn, ratios within rounds, and the measured peak."""

from __future__ import annotations

import time

import pytest
import torch

from gantool.bench.timing import Effort, peak_flops, speedups, time_in_turn

CPU = torch.device("cpu")


def test_contenders_take_turns() -> None:
    log: list[str] = []

    def call(name: str) -> None:
        log.append(name)
        time.sleep(0.011)

    times = time_in_turn({"a": lambda: call("a"), "b": lambda: call("b")}, CPU, Effort(4, 10.0))
    assert log == ["a", "b"] * 4
    assert [len(taken) for taken in times.values()] == [4, 4]
    assert all(seconds >= 0.011 for taken in times.values() for seconds in taken)


def test_a_slow_contender_sits_out_the_later_rounds() -> None:
    calls = {"slow": lambda: time.sleep(0.1), "fast": lambda: time.sleep(0.012)}
    times = time_in_turn(calls, CPU, Effort(12, 0.4))
    assert len(times["slow"]) == 3
    assert len(times["fast"]) > 3


def test_a_call_too_short_for_the_clock_is_repeated() -> None:
    count = 0

    def call() -> None:
        nonlocal count
        count += 1

    times = time_in_turn({"a": call}, CPU, Effort(3, 10.0))
    assert len(times["a"]) == 3
    assert count > 100
    assert max(times["a"]) < 0.01


def test_speedup_is_the_median_of_ratios_within_rounds() -> None:
    # The machine is slow in round 2 and the medians alone would give 30 / 10 = 3; "other" sat out the last round.
    times = {"own": [10.0, 100.0, 10.0, 5.0], "other": [20.0, 200.0, 30.0]}
    assert speedups(times, "own") == {"other": 2.0}
    assert speedups(times, "other") == {"own": 0.5}


def test_the_peak_counts_two_operations_a_multiply_add(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gantool.bench.timing.seconds_of", lambda call, device, calls=1: 0.5)
    assert peak_flops(torch.float32, CPU, 64) == 2 * 64**3 / 0.5
