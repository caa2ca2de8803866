"""What a run measures of itself, one line of metrics.jsonl an interval."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from gantool.files import replacing
from gantool.objectives import game_value
from gantool.runs import read_json_lines
from gantool.training.algorithm import Iteration
from gantool.training.schedules import Rates


@dataclass(frozen=True)
class Record:
    """One line. Losses, `value` and the means of D are of the batch at `step`, in training mode (dropout on).

    value is V(D, G) in nats, real_probability the mean of D(x), fake_probability that of D(G(z)).
    `images_per_second` counts the training images that the discriminator saw since the line before.
    """

    step: int
    epoch: int
    discriminator_loss: float
    generator_loss: float
    value: float
    real_probability: float
    fake_probability: float
    learning_rate: float
    momentum: float
    images_per_second: float
    seconds: float


def measure(iteration: Iteration) -> dict[str, float]:
    """The figures of one iteration. One synchronisation with the device."""
    figures = torch.stack(
        [
            iteration.discriminator_loss,
            iteration.generator_loss,
            game_value(iteration.real_logits, iteration.fake_logits),
            iteration.real_logits.sigmoid().mean(),
            iteration.fake_logits.sigmoid().mean(),
        ]
    ).tolist()
    names = ("discriminator_loss", "generator_loss", "value", "real_probability", "fake_probability")
    return dict(zip(names, figures, strict=True))


def build_record(
    step: int, epoch: int, rates: Rates, figures: dict[str, float], images: int, interval: float, seconds: float
) -> Record:
    """Joins an iteration's figures with the rates it used and the time since the line before (`interval`, seconds)."""
    speed = images / max(interval, 1e-9)
    return Record(
        step=step,
        epoch=epoch,
        **figures,
        learning_rate=rates.learning_rate,
        momentum=rates.momentum,
        images_per_second=speed,
        seconds=seconds,
    )


def append_record(path: Path, record: Record) -> None:
    """Adds a line to metrics.jsonl. ValueError for a figure that is not finite."""
    line = json.dumps(asdict(record), allow_nan=False)
    with path.open("a", encoding="utf-8") as stream:
        stream.write(line + "\n")


def truncate_records(path: Path, step: int, interval: int) -> float:
    """Drops the lines after `step`, and returns the seconds of training up to the last one kept.

    A line off the logging interval, which a run writes when it ends, goes too: a longer run would not have written it.
    """
    kept = [line for line in read_json_lines(path) if line["step"] <= step and line["step"] % interval == 0]
    with replacing(path) as partial:
        partial.write_text("".join(json.dumps(line) + "\n" for line in kept), encoding="utf-8")
    return float(kept[-1]["seconds"]) if kept else 0.0
