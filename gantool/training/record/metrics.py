"""What a run measures of itself, one line of metrics.jsonl an interval."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

import torch

from gantool.files import replacing
from gantool.objectives import Objective
from gantool.runs import Run
from gantool.training.game import Iteration
from gantool.training.schedules import Rates


@dataclass(frozen=True)
class Look:
    """What one look at the samples saw (see :mod:`gantool.training.record.health`).

    `distinct_samples` is the effective number of different samples among 1,000, the inverse of the chance that two
    draws are near-duplicates (closer than the 1 % quantile of real rows' distances to their nearest other row).
    `collapse_score` is 1 − ln(that) / ln(the same of real rows): 0 for real rows, 1 for one sample over and over.
    `validation_log_likelihood` is a Parzen estimate in nats from 1,000 samples, a tenth of the protocol's, so that it
    compares with other looks alone; None without validation rows.

    `discriminator_on_training` and `discriminator_on_validation` are the means of D on up to 1,000 rows each, dropout
    off. `discriminator_overfit` is the part of what D tells training rows and samples apart by that does not hold on
    validation rows: (training − validation)/(training − samples), from 0, all holds, to 1; 0 within chance.
    """

    collapse_score: float
    distinct_samples: float
    validation_log_likelihood: float | None
    validation_sigma: float | None
    discriminator_on_training: float | None = None
    discriminator_on_validation: float | None = None
    discriminator_overfit: float | None = None


@dataclass(frozen=True)
class Alarm:
    """Something that went wrong, said once when it begins."""

    kind: str
    sentence: str


@dataclass(frozen=True)
class Record:
    """One line. Losses, `value` and the means of D are of the batch at `step`, in training mode (dropout on).

    value is the objective's own, V(D, G) in nats for the log family, and optimum what it is where both players have
    reached their best; real_probability is the mean of D(x), or of the
    score that an objective without probabilities has in its place, fake_probability that of D(G(z)).
    `learning_rate` and `momentum` are the generator's. `images_per_second` counts the training images that the
    discriminator saw since the line before.

    `look` and the `alarms` that it raised are there once every few epochs.
    """

    step: int
    epoch: int
    discriminator_loss: float
    generator_loss: float
    value: float
    optimum: float
    real_probability: float
    fake_probability: float
    learning_rate: float
    momentum: float
    images_per_second: float
    seconds: float
    look: Look | None = None
    alarms: tuple[Alarm, ...] = ()

    def figures(self) -> dict[str, float]:
        """Every number, those of the look included, and none that it does not have."""
        own = {name: value for name, value in vars(self).items() if name not in ("look", "alarms")}
        seen = vars(self.look) if self.look else {}
        return own | {name: value for name, value in seen.items() if value is not None}

    def to_dict(self) -> dict[str, Any]:
        """The line of metrics.jsonl."""
        alarms = [asdict(alarm) for alarm in self.alarms]
        return {**self.figures(), "alarms": alarms} if alarms else self.figures()


def measure(iteration: Iteration, objective: Objective) -> dict[str, float]:
    """The figures of one iteration. One synchronisation with the device.

    A mean of D beyond float32, as f-divergences can give it beside a finite loss, is float32's largest number: a line
    of JSON has no word for infinity.
    """
    largest = torch.finfo(torch.float32).max
    figures = torch.stack(
        [
            iteration.discriminator_loss,
            iteration.generator_loss,
            objective.value(iteration.real_logits, iteration.fake_logits),
            objective.judgement(iteration.real_logits).mean().clamp(-largest, largest),
            objective.judgement(iteration.fake_logits).mean().clamp(-largest, largest),
        ]
    ).tolist()
    figures.append(objective.optimum)
    names = ("discriminator_loss", "generator_loss", "value", "real_probability", "fake_probability", "optimum")
    return dict(zip(names, figures, strict=True))


def build_record(
    step: int, epoch: int, rates: Rates, figures: dict[str, float], images: int, interval: float, seconds: float
) -> Record:
    """Joins an iteration's figures with the rates it used and the time since the line before (`interval`, seconds)."""
    speed = images / max(interval, 1e-9)
    return Record(
        step=step,
        epoch=epoch,
        discriminator_loss=figures["discriminator_loss"],
        generator_loss=figures["generator_loss"],
        value=figures["value"],
        optimum=figures["optimum"],
        real_probability=figures["real_probability"],
        fake_probability=figures["fake_probability"],
        learning_rate=rates.generator.learning_rate,
        momentum=rates.generator.momentum,
        images_per_second=speed,
        seconds=seconds,
    )


def truncate_records(run: Run, step: int, interval: int) -> float:
    """Drops the lines after `step`, and returns the seconds of training up to the last one kept.

    A line off the logging interval, which a run writes when it ends, goes too: a longer run would not have written it.
    """
    kept = [line for line in run.records() if line["step"] <= step and line["step"] % interval == 0]
    with replacing(run.metrics) as partial:
        partial.write_text("".join(json.dumps(line) + "\n" for line in kept), encoding="utf-8")
    return float(kept[-1]["seconds"]) if kept else 0.0


def read_last_overfit(run: Run) -> float:
    """`discriminator_overfit` at the newest look that metrics.jsonl holds; 0 where there is none."""
    found = [float(line["discriminator_overfit"]) for line in run.records() if "discriminator_overfit" in line]
    return found[-1] if found else 0.0


def read_distinct_samples(run: Run) -> list[float]:
    """The effective numbers of samples at the looks that metrics.jsonl holds, oldest first."""
    return [float(line["distinct_samples"]) for line in run.records() if "distinct_samples" in line]
