"""Times one iteration of the mnist preset against the plain loop of the same arithmetic, in turn, in one process.

    python benchmarks/train_step.py [--order simultaneous] [--rounds 15] [--steps 20] [--json]

Prints the medians and the median of the pairwise ratios (gantool over plain; below 1 is faster).
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import torch
from plain_loop import BATCH, PlainLoop

from gantool.config import DataConfig
from gantool.data import load_dataset
from gantool.environment import describe_environment
from gantool.ops import selected_impl
from gantool.presets import build_config, preset_text, read_tree
from gantool.training.algorithm import UPDATE_ORDERS
from gantool.training.schedules import rates_at
from gantool.training.state import build_state

Step = Callable[[int], None]


def plain_step(order: str) -> Step:
    pixels = load_dataset(DataConfig("mnist")).train.stored
    loop = PlainLoop(pixels.float().mean(0) / 255, order)
    permutation = torch.randperm(len(pixels))

    def step(t: int) -> None:
        first = t * BATCH % (len(pixels) - BATCH)
        loop.step(pixels[permutation[first : first + BATCH]].float() / 255, t, 1)

    return step


def tool_step(order: str) -> Step:
    config = build_config(read_tree(preset_text("mnist"), "mnist"))
    config = replace(config, training=replace(config.training, order=order))
    state = build_state(config, load_dataset(config.data), torch.device("cpu"))
    play = UPDATE_ORDERS[order]

    def step(t: int) -> None:
        play(state.game, t, rates_at(config.optimizer, t, state.epoch_at(t)))

    return step


def milliseconds(step: Step, first: int, count: int) -> float:
    started = time.perf_counter()
    for t in range(first, first + count):
        step(t)
    return (time.perf_counter() - started) / count * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--order", choices=("alternating", "simultaneous"), default="simultaneous")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--steps", type=int, default=20, help="iterations a round")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()

    plain, tool = plain_step(options.order), tool_step(options.order)
    pairs = []
    for index in range(-1, options.rounds):  # round -1 warms up
        first = (index + 1) * options.steps
        pair = (milliseconds(plain, first, options.steps), milliseconds(tool, first, options.steps))
        if index >= 0:
            pairs.append(pair)
    rows, weight = torch.zeros(200, 784), torch.zeros(240, 5, 784)
    result = {
        "order": options.order,
        "plain_median_ms": statistics.median(p for p, _ in pairs),
        "gantool_median_ms": statistics.median(t for _, t in pairs),
        "ratio": statistics.median(t / p for p, t in pairs),
        "ratio_min": min(t / p for p, t in pairs),
        "ratio_max": max(t / p for p, t in pairs),
        "rounds": options.rounds,
        "steps_per_round": options.steps,
        "maxout": selected_impl("maxout", rows, weight),
        "environment": describe_environment(torch.device("cpu")),
    }
    if options.json:
        print(json.dumps(result, indent=2))
        return
    print(
        f"{options.order}: plain {result['plain_median_ms']:.1f} ms, gantool {result['gantool_median_ms']:.1f} ms, "
        f"ratio {result['ratio']:.2f} ({result['ratio_min']:.2f} to {result['ratio_max']:.2f})"
    )


if __name__ == "__main__":
    main()
