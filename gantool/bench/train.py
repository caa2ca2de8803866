"""Training iterations: every preset's, the contenders, and replicas beside runs one after another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from gantool.bench.case import Case, Problem, wanted
from gantool.bench.plain_loop import PlainLoop, unknown
from gantool.config import NetworkConfig, OptimizerConfig, RunConfig, TrainingConfig
from gantool.config.layers import Shape
from gantool.config.sources import build_config, preset_names, preset_text, read_tree
from gantool.data import Dataset, load_dataset
from gantool.data.registry import data_root, find_entry
from gantool.runs.replicas import replica_configs
from gantool.training.engines.choose import build_step
from gantool.training.engines.graph import ITERATIONS, CapturedGame, why_not_captured
from gantool.training.engines.step import DTYPES
from gantool.training.orders import ORDERS
from gantool.training.schedules import rates_at
from gantool.training.state import TrainingState, build_states

IMPLS = ("native", "uncaptured", "autograd", "eager", "autocast", "compile", "one-by-one")

# The preset whose replicas are timed, and how many of them.
REPLICATED, REPLICAS = "mnist", 32


# Of an iteration; a preset that takes more is timed where --preset names it.
MOST_OPERATIONS = 2e10


def cases(quick: bool, device: torch.device, data_dir: Path | None, preset: str | None = None) -> list[Case]:
    """Each preset whose data are here, in float32 and bfloat16, and replicas; with `quick` the smallest preset alone,
    with `preset` that one.

    A call makes one iteration, and on a GPU as many as one CUDA graph holds.
    """
    iterations = ITERATIONS if device.type == "cuda" else 1
    names = [preset] if preset else ["mixture1d"] if quick else preset_names()
    distinct: dict[str, RunConfig] = {}
    for name in names:
        config = build_config(read_tree(preset_text(name), name))
        distinct.setdefault(_iteration(config), config)
    found = [_case(c, precision, data_dir, iterations) for c in distinct.values() for precision in DTYPES]
    if preset is None:
        found = [case for case in found if case.flops <= MOST_OPERATIONS * iterations]
    if not quick and preset in (None, REPLICATED):
        config = build_config(read_tree(preset_text(REPLICATED), REPLICATED))
        found += [_case(config, precision, data_dir, iterations, REPLICAS) for precision in DTYPES]
    return found


def _iteration(config: RunConfig) -> str:
    """The configuration without what does not change an iteration's work: its names, its length and its rates."""
    given = config.training
    training = TrainingConfig(order=given.order, k=given.k, batch_size=given.batch_size)
    optimizer = OptimizerConfig(config.optimizer.kind, max_column_norm=config.optimizer.max_column_norm)
    return repr(replace(config, name="run", about="", optimizer=optimizer, training=training))


def _missing(config: RunConfig, data_dir: Path | None) -> bool:
    """Whether the data root lacks the preset's data: a benchmark downloads nothing."""
    entry, root = find_entry(config.data.name), data_root(data_dir)
    return bool(entry.remedy(root)) or (entry.remote is not None and bool(entry.remote.missing(root)))


def _case(config: RunConfig, precision: str, data_dir: Path | None, iterations: int, replicas: int = 1) -> Case:
    training = replace(config.training, precision=precision)  # type: ignore[arg-type]  # one of DTYPES
    config = replace(config, training=training)
    missing = _missing(config, data_dir)
    dataset = None if missing else load_dataset(config.data, root=data_dir, offline=True)

    def build(device: torch.device, only: frozenset[str] | None) -> Problem:
        if dataset is None:
            reason = f"the data of {config.data.name} are not here, and a benchmark downloads nothing"
            return Problem({}, lambda _: None, absent={name: reason for name in IMPLS if wanted(only, name)})
        if replicas > 1:
            return _replicas_problem(config, dataset, device, only, iterations, replicas)
        return _problem(config, dataset, device, only, iterations)

    parts = {"k = {}": training.k, "{} iterations": iterations, "{} replicas": replicas}
    name = f"train {config.name}, {training.order}, batch {training.batch_size}"
    played = iterations * replicas
    return Case(
        ", ".join([name, *(text.format(count) for text, count in parts.items() if count > 1)]),
        config.data.name,
        DTYPES[precision],
        played * (_operations(config, dataset.shape) if dataset else 1.0),
        build,
        played,
        played * training.k * training.batch_size,
    )


def _operations(config: RunConfig, data: Shape) -> float:
    """Multiplications and additions of the products that one iteration needs: forward, weight gradients and input
    gradients, none twice, and none that no update reads."""
    rows = config.training.batch_size
    generator, first = _products(config.generator, (config.noise.dimension,), data)
    discriminator, image = _products(config.discriminator, data, data)
    of_generator = 2.0 * rows * (3 * generator - first)
    on_both = 2.0 * 2 * rows * (3 * discriminator - image)
    if config.training.order == "simultaneous":
        return of_generator + on_both + 2.0 * rows * image
    return config.training.k * (2.0 * rows * generator + on_both) + of_generator + 2.0 * rows * 2 * discriminator


def _products(network: NetworkConfig, inputs: Shape, data: Shape) -> tuple[int, int]:
    """How many products of a weight and a value one row takes, in all and in the first layer."""
    counts = []
    for layer in network.layers:
        counts.append(layer.multiply_adds(inputs, data))
        inputs = layer.output_shape(inputs, data)
    return sum(counts), counts[0]


def _problem(
    config: RunConfig, dataset: Dataset, device: torch.device, only: frozenset[str] | None, iterations: int
) -> Problem:
    contenders: dict[str, Callable[[], None]] = {}
    details: dict[str, str] = {}
    absent: dict[str, str] = {}
    for name, kind in (("native", "auto"), ("autograd", "plain")):
        if wanted(only, name):
            contenders[name], details[name] = _own([config], dataset, device, kind, iterations)
    if wanted(only, "uncaptured"):
        states = build_states([config], dataset, device)
        if reason := why_not_captured(states):
            absent["uncaptured"] = reason
        else:
            contenders["uncaptured"], details["uncaptured"] = _uncaptured(states, config, iterations)
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
            contenders[name] = _repeated(_plain(config, dataset, device, **options), iterations)
            details[name] = f"plain loop in {'bfloat16' if options.get('autocast') else 'float32'}"
    return Problem(contenders, lambda _: None, details, absent)


def _replicas_problem(
    config: RunConfig,
    dataset: Dataset,
    device: torch.device,
    only: frozenset[str] | None,
    iterations: int,
    replicas: int,
) -> Problem:
    """Replicas at once, and as many iterations of single runs: one run plays them all, since all cost the same."""
    contenders: dict[str, Callable[[], None]] = {}
    details: dict[str, str] = {}
    if wanted(only, "native"):
        configs = replica_configs(config, replicas)
        contenders["native"], details["native"] = _own(configs, dataset, device, "auto", iterations)
    if wanted(only, "one-by-one"):
        alone, details["one-by-one"] = _own([config], dataset, device, "auto", iterations)
        contenders["one-by-one"] = _repeated(alone, replicas)
    return Problem(contenders, lambda _: None, details, {})


def _repeated(call: Callable[[], None], times: int) -> Callable[[], None]:
    def calls() -> None:
        for _ in range(times):
            call()

    return calls


def _own(
    configs: Sequence[RunConfig], dataset: Dataset, device: torch.device, kind: str, iterations: int
) -> tuple[Callable[[], None], str]:
    """The tool's own iterations, as the loop calls them; and what they are."""
    training = replace(configs[0].training, engine=kind)  # type: ignore[arg-type]  # auto or plain
    optimizer = configs[0].optimizer
    states = build_states(configs, dataset, device)
    step = build_step(states, training)
    stride = min(step.stride, iterations)
    played = 0

    def call() -> None:
        nonlocal played
        for _ in range(iterations // stride):
            numbers = range(played, played + stride)
            step.play(played, [rates_at(optimizer, number, states[0].epoch_at(number)) for number in numbers])
            played += stride

    for _ in range(2):  # the first call warms up, the second captures, where a graph is captured
        call()
    return call, step.describe()


def _uncaptured(states: Sequence[TrainingState], config: RunConfig, iterations: int) -> tuple[Callable[[], None], str]:
    """The fused iterations that a CUDA graph would hold, launched one by one: what capturing them is worth."""
    game = CapturedGame(states, ORDERS[config.training.order], DTYPES[config.training.precision])
    game.refused = "timed without one"
    played = 0

    def call() -> None:
        nonlocal played
        numbers = range(played, played + iterations)
        game.play(played, [rates_at(config.optimizer, number, states[0].epoch_at(number)) for number in numbers])
        played += iterations

    call()
    return call, f"fused step ({game.describe()})"


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
