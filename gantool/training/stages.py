"""Training in stages: a generator that goes on top of new layers, as in the second stage on TFD."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from gantool.config import RunConfig
from gantool.errors import UsageError
from gantool.runs import find_run
from gantool.training.state import TrainingState


def on_top(config: RunConfig, runs_dir: Path) -> RunConfig:
    """The configuration with all layers: its own, and those of the run that `generator.on_top_of` names.

    Raises UsageError where there is no such run, or its z is not what the layers below give.
    """
    given = config.generator
    if given.on_top_of is None or given.trained_before:
        return config
    run = find_run(given.on_top_of, runs_dir)
    shape: tuple[int, ...] = (config.noise.dimension,)
    for layer in given.layers:
        shape = layer.output_shape(shape, shape)
    if shape != (run.config.noise.dimension,):
        raise UsageError(
            f"generator.on_top_of: the generator of {run.path} takes {run.config.noise.dimension} values, but the "
            f"layers below give {list(shape)}."
        )
    before = run.config.generator.layers
    generator = replace(
        given, layers=(*given.layers, *before), on_top_of=str(run.path.absolute()), trained_before=len(before)
    )
    return replace(config, generator=generator)


def take_trained_layers(states: Sequence[TrainingState], config: RunConfig) -> None:
    """Copies the trained layers into fresh states. Raises GantoolError where the run has no sound checkpoint."""
    count = config.generator.trained_before
    if not count or config.generator.on_top_of is None:
        return
    trained = find_run(config.generator.on_top_of, Path()).load_generator()
    with torch.no_grad():
        for state in states:
            generators = [state.game.generator.network, *([state.average.network] if state.average else [])]
            for generator in generators:
                pairs = zip(list(generator.layers)[-count:], trained.layers, strict=True)  # type: ignore[arg-type]
                for mine, theirs in pairs:
                    mine.load_state_dict(theirs.state_dict())
