"""What `--dry-run` prints: the run as resolved, its layers, parameters and steps."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from gantool.cli.terminal import print_json, say, show
from gantool.tables import Table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import torch

    from gantool.config import OptimizerConfig, RunConfig
    from gantool.config.layers import Shape
    from gantool.data.dataset import Dataset
    from gantool.training.state import TrainingState


def print_summary(configs: Sequence[RunConfig], dataset: Dataset, device: torch.device, as_json: bool) -> None:
    """Builds the run in memory (the first, of replicas) and prints it; nothing is written."""
    from gantool.training.state import build_state

    config = configs[0]
    seeds = [each.training.seed for each in configs]
    state = build_state(config, dataset, device)
    steps = config.training.total_steps(len(dataset.train))
    networks = {name: _layers(config, state, dataset.shape, name) for name in ("generator", "discriminator")}
    if as_json:
        answer = {"config": config.to_dict(), "networks": networks, "steps": steps, "device": str(device)}
        print_json(answer | ({"seeds": seeds} if len(seeds) > 1 else {}))
        return
    _print_networks(networks)
    training, optimizer = config.training, config.optimizer
    rows = ", ".join(f"{len(dataset.split(name)):,} {name}" for name in ("train", "validation", "test"))
    lines = [
        f"data           {dataset.name}: {rows}",
        f"noise          {config.noise.distribution}, {config.noise.dimension} dimensions",
        f"algorithm      {training.order}, k = {training.k}, {config.objective.name}, batch {training.batch_size}",
        *_optimizers(optimizer),
        f"length         {steps:,} steps of {state.batches_per_epoch:,} batches an epoch",
        f"seed, device   {training.seed}, {device}",
    ]
    if len(seeds) > 1:
        lines.append(f"replicas       {len(seeds)}, seeds {', '.join(map(str, seeds))}")
    for line in lines:
        say(line)


def _optimizers(optimizer: OptimizerConfig) -> list[str]:
    """A line, or one for each player where they differ."""
    words = {}
    for player in ("generator", "discriminator"):
        own = optimizer.of(player)
        falls = f"divided by {own.decay} a step"
        if own.schedule == "linear":
            falls = f"falling to 0 from epoch {own.linear_from} to {own.linear_to}"
        words[player] = f"{own.kind}, rate {own.learning_rate:g} {falls}"
    if len(set(words.values())) == 1:
        return [f"optimizer      {words['generator']}"]
    return [f"{head:15s}{player}: {words[player]}" for head, player in zip(("optimizer", ""), words, strict=True)]


def print_missing(configs: Sequence[RunConfig], missing: Sequence[str], root: Path, as_json: bool) -> None:
    """Prints what can be said before the data are there."""
    config = configs[0]
    if as_json:
        print_json({"config": config.to_dict(), "to_download": list(missing), "data_root": str(root)})
        return
    say(f"data           {config.data.name}, of which {', '.join(missing)} would be downloaded to {root} first")
    say("               (sizes and steps follow from the data: gantool data fetch brings them)")
    training = config.training
    length = f"{training.steps:,} steps" if training.steps else f"{training.epochs:,} epochs"
    say(f"algorithm      {training.order}, k = {training.k}, {config.objective.name}, batch {training.batch_size}")
    say(f"length         {length}")


def _layers(config: RunConfig, state: TrainingState, data: Shape, name: str) -> dict[str, Any]:
    """What each layer takes and gives. `inputs` and `units` are numbers of values; `outputs` is the shape."""
    network = getattr(state.game, name).network
    seen = (config.training.pack * data[0], *data[1:])  # by the discriminator
    shape: Shape = (config.noise.dimension,) if name == "generator" else seen
    layers = []
    for layer, built in zip(getattr(config, name).layers, network.layers, strict=True):
        outputs = layer.output_shape(shape, data)
        layers.append(
            {
                "kind": layer.kind,
                "inputs": math.prod(shape),
                "units": math.prod(outputs),
                "outputs": list(outputs),
                "pieces": getattr(layer, "pieces", 1),
                "keep": getattr(layer, "keep", 1.0),
                "parameters": sum(parameter.numel() for parameter in built.parameters()),
                "multiply_adds": layer.multiply_adds(shape, data),
            }
        )
        shape = outputs
    totals = {key: sum(layer[key] for layer in layers) for key in ("parameters", "multiply_adds")}
    return {"layers": layers, **totals}


def _print_networks(networks: dict[str, Any]) -> None:

    rows = []
    for name, network in networks.items():
        for layer in network["layers"]:
            outputs = "×".join(f"{size:,}" for size in layer["outputs"])
            counts = [f"{layer[key]:,}" for key in ("parameters", "multiply_adds")]
            rows.append((name, layer["kind"], outputs, f"{layer['pieces']:,}", f"{layer['keep']:g}", *counts))
        rows.append((name, "all", "", "", "", *(f"{network[key]:,}" for key in ("parameters", "multiply_adds"))))
    headings = ("network", "layer", "outputs", "pieces", "keep", "parameters", "multiply-adds")
    show(Table(headings, tuple(rows)))
