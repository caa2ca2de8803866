"""One training iteration: every preset's, and the contenders."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from gantool.bench.case import Case, Problem, wanted
from gantool.bench.plain_loop import PlainLoop, unknown
from gantool.config import NetworkConfig, OptimizerConfig, RunConfig, TrainingConfig
from gantool.data import Dataset, load_dataset
from gantool.data.registry import data_root, find_entry
from gantool.presets import build_config, preset_names, preset_text, read_tree
from gantool.training.schedules import rates_at
from gantool.training.state import build_state
from gantool.training.step import DTYPES, build_step

IMPLS = ("native", "autograd", "eager", "autocast", "compile")


def cases(quick: bool, device: torch.device, data_dir: Path | None) -> list[Case]:
    """Each preset whose data are here, in float32 and bfloat16; with `quick` the smallest one alone."""
    names = ["mixture1d"] if quick else preset_names()
    distinct: dict[RunConfig, RunConfig] = {}
    for name in names:
        config = build_config(read_tree(preset_text(name), name))
        distinct.setdefault(_iteration(config), config)
    return [_case(config, precision, data_dir) for config in distinct.values() for precision in DTYPES]


def _iteration(config: RunConfig) -> RunConfig:
    """The configuration without what does not change an iteration's work: its names, its length and its rates."""
    given = config.training
    training = TrainingConfig(given.order, given.objective, given.blend, given.k, given.batch_size)
    optimizer = OptimizerConfig(config.optimizer.kind, max_column_norm=config.optimizer.max_column_norm)
    return replace(config, name="run", about="", optimizer=optimizer, training=training)


def _missing(config: RunConfig, data_dir: Path | None) -> bool:
    """Whether the data root lacks the preset's data: a benchmark downloads nothing."""
    remote = find_entry(config.data.name).remote
    return remote is not None and bool(remote.missing(data_root(data_dir)))


def _case(config: RunConfig, precision: str, data_dir: Path | None) -> Case:
    training = replace(config.training, precision=precision)  # type: ignore[arg-type]  # one of DTYPES
    config = replace(config, training=training)
    missing = _missing(config, data_dir)
    dataset = None if missing else load_dataset(config.data, root=data_dir, offline=True)

    def build(device: torch.device, only: frozenset[str] | None) -> Problem:
        if dataset is None:
            reason = f"the data of {config.data.name} are not here, and a benchmark downloads nothing"
            return Problem({}, lambda _: None, absent={name: reason for name in IMPLS if wanted(only, name)})
        return _problem(config, dataset, device, only)

    name = f"train {config.name}, {training.order}, batch {training.batch_size}"
    name = name if training.k == 1 else f"{name}, k = {training.k}"
    return Case(
        name,
        config.data.name,
        DTYPES[precision],
        _operations(config, dataset.dimension if dataset else 1),
        build,
        training.k * training.batch_size,
    )


def _operations(config: RunConfig, dimension: int) -> float:
    """Multiplications and additions of the products that one iteration needs: forward, weight gradients and input
    gradients, none twice, and none that no update reads."""
    rows = config.training.batch_size
    generator, first = _weights(config.generator, config.noise.dimension, dimension)
    discriminator, image = _weights(config.discriminator, dimension, dimension)
    of_generator = 2.0 * rows * (3 * generator - first)
    on_both = 2.0 * 2 * rows * (3 * discriminator - image)
    if config.training.order == "simultaneous":
        return of_generator + on_both + 2.0 * rows * image
    return config.training.k * (2.0 * rows * generator + on_both) + of_generator + 2.0 * rows * 2 * discriminator


def _weights(network: NetworkConfig, inputs: int, dimension: int) -> tuple[int, int]:
    """How many weights a network has, and its first layer."""
    counts = []
    for layer in network.layers:
        units = layer.units or dimension
        counts.append(inputs * units * layer.pieces)
        inputs = units
    return sum(counts), counts[0]


def _problem(config: RunConfig, dataset: Dataset, device: torch.device, only: frozenset[str] | None) -> Problem:
    contenders: dict[str, Callable[[], None]] = {}
    details: dict[str, str] = {}
    absent: dict[str, str] = {}
    for name, kind in (("native", "auto"), ("autograd", "plain")):
        if wanted(only, name):
            contenders[name], details[name] = _own(config, dataset, device, kind)
    bfloat16 = config.training.precision == "bfloat16"
    rivals = {"eager": {}, "autocast": {"autocast": True}, "compile": {"compiled": True, "autocast": bfloat16}}
    for name, options in rivals.items():
        if not wanted(only, name):
            continue
        if reason := unknown(config):
            absent[name] = reason
        elif name == "autocast" and not bfloat16:
            absent[name] = "it is compared in bfloat16 only"
        else:
            contenders[name] = _plain(config, dataset, device, **options)
            details[name] = f"plain loop in {'bfloat16' if options.get('autocast') else 'float32'}"
    return Problem(contenders, lambda _: None, details, absent)


def _own(config: RunConfig, dataset: Dataset, device: torch.device, kind: str) -> tuple[Callable[[], None], str]:
    """The tool's own iteration, as the loop calls it; and what it is."""
    training = replace(config.training, step=kind)  # type: ignore[arg-type]  # auto or plain
    state = build_state(replace(config, training=training), dataset, device)
    step = build_step([state], training)

    def call() -> None:
        step.play(state.step, [rates_at(config.optimizer, state.step, state.epoch_at(state.step))])
        state.advance()

    return call, step.describe()


def _plain(
    config: RunConfig, dataset: Dataset, device: torch.device, *, autocast: bool = False, compiled: bool = False
) -> Callable[[], None]:
    rows = dataset.train.stored.to(device)
    mean = (dataset.train.stored.double().mean(0) / dataset.divisor).float().to(device)
    loop = PlainLoop(config, mean, autocast=autocast, compiled=compiled)
    batch = config.training.batch_size
    order = torch.randperm(len(rows), device=device)
    played = 0

    def call() -> None:
        nonlocal played
        first = played * batch % (len(rows) - batch + 1)
        real = rows[order[first : first + batch]].float() / dataset.divisor
        loop.step(real, played, 1)
        played += 1

    return call
