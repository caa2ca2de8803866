"""Which engine plays: the first in the order of preference that can."""

from __future__ import annotations

from collections.abc import Sequence

from gantool.config import TrainingConfig
from gantool.errors import UsageError
from gantool.training.engines import autograd, dense, graph
from gantool.training.engines.step import Step
from gantool.training.state import TrainingState

ENGINES = (graph.ENGINE, dense.ENGINE, autograd.ENGINE)


def build_step(states: Sequence[TrainingState], training: TrainingConfig) -> Step:
    """The step that the configuration asks for: `training.engine` auto, plain or fused, in `training.precision`.

    Several states, of runs that differ in their seeds alone, are replicas: fused, they share each product as a batch.
    Build it when the games' weights are in place: the fused step keeps copies of them in the compute type.
    Raises UsageError where a forced engine cannot play these games.
    """
    reason = ""
    for engine in ENGINES:
        if training.engine in ("auto", engine.name):
            declined = engine.decline(states)
            if not declined:
                return engine.build(states, training, reason)
            reason = declined
    raise UsageError(f"training.engine = {training.engine} cannot train this run: {reason}.")
