"""Inference of z from x: do codes come back as rows, and rows of G as their codes, and do codes hold the class?"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from gantool.data import Dataset
from gantool.errors import UsageError
from gantool.evaluation.subject import Subject
from gantool.inference import Method, check_method, decode, encode
from gantool.models import Generator, draw_noise
from gantool.numerics.neighbours import nearest
from gantool.numerics.rows import subset_indices
from gantool.progress import Progress, silent
from gantool.seeds import check_seed, derive_seed

_NO_CLASSES = "The codes of training rows are not searched for, so that no class is told by codes."


@dataclass(frozen=True)
class InferenceSettings:
    """How many rows of the split, and samples, are encoded, and how."""

    num_samples: int = 1_000
    seed: int = 0
    method: Method = "network"

    def __post_init__(self) -> None:
        if self.num_samples < 2:
            raise UsageError(f"--num-samples must be 2 or more, but is {self.num_samples}.")
        check_seed(self.seed)


@dataclass(frozen=True)
class InferenceResult:
    """Mean Euclidean distances and shares, each with its standard error over rows or samples.

    `reconstruction` is ‖x − G(E(x))‖ over rows of the split; beside it `nearest_training`, from each of them to the
    nearest training row, and `apart`, between two rows of the split. `code_error` is ‖z − E(G(z))‖ over samples, and
    `codes_apart` that between two z. `code_accuracy` is the share of rows whose class is that of the training row with
    the nearest code; `hidden_accuracy` is the same by the encoder's last hidden layer, `pixel_accuracy` by the rows
    themselves; None without labels, and the hidden one without an encoder.
    """

    dataset: str
    split: str
    num_samples: int
    method: str
    reconstruction: float
    reconstruction_error: float
    nearest_training: float
    apart: float
    code_error: float
    code_error_error: float
    codes_apart: float
    code_accuracy: float | None
    hidden_accuracy: float | None
    pixel_accuracy: float | None
    seed: int
    device: str
    impl: str = "torch (networks in float32; neighbours float64, cpu)"
    run: str | None = None
    step: int | None = None
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """The object that `gantool infer --json` prints."""
        return {"measure": "inference", **asdict(self)}


def inference_of(subject: Subject, settings: InferenceSettings, progress: Progress = silent) -> InferenceResult:
    """Encodes rows and samples of a run. UsageError where the subject is no run, or has no such encoder."""
    run, dataset = subject.run, subject.dataset
    if run is None or dataset is None:
        raise UsageError("Inference is of a run: its generator is needed, and files do not hold one.")
    device, noise = subject.place.device, run.config.noise
    generator = run.load_generator(device, subject.step)
    check_method(settings.method, generator)
    split = dataset.split(subject.split)
    if len(split) < 2:
        raise UsageError(f"The data set {dataset.name} has no {subject.split} rows to encode; choose another --split.")
    chosen = subset_indices(len(split), min(settings.num_samples, len(split)), settings.seed)
    rows = dataset.values(split.stored[chosen])
    codes = encode(generator, noise, rows.to(device), settings.method, seed=settings.seed, progress=progress)
    reconstructed = decode(generator, codes).cpu()
    rng = torch.Generator().manual_seed(derive_seed(settings.seed, "codes to find again"))
    z = draw_noise(noise, len(rows), rng)
    found = encode(
        generator, noise, decode(generator, z.to(device)), settings.method, seed=settings.seed + 1, progress=progress
    ).cpu()
    progress("nearest training rows", 0, 0)
    neighbour, distances = nearest(rows, dataset.values(dataset.train.stored))
    reconstruction, code_error = _distances(rows, reconstructed), _distances(z, found)
    labels = None if split.labels is None else split.labels[chosen]
    by_codes, by_hidden = _accuracies(generator, dataset, rows, codes.cpu(), labels, device, settings)
    train_labels = dataset.train.labels
    by_pixels = None if labels is None or train_labels is None else _share(train_labels[neighbour] == labels)
    return InferenceResult(
        dataset=dataset.name,
        split=subject.split,
        num_samples=len(rows),
        method=settings.method,
        reconstruction=float(reconstruction.mean()),
        reconstruction_error=_standard_error(reconstruction),
        nearest_training=float(distances.mean()),
        apart=float(_distances(rows, rows.roll(1, dims=0)).mean()),
        code_error=float(code_error.mean()),
        code_error_error=_standard_error(code_error),
        codes_apart=float(_distances(z, z.roll(1, dims=0)).mean()),
        code_accuracy=by_codes,
        hidden_accuracy=by_hidden,
        pixel_accuracy=by_pixels,
        seed=settings.seed,
        device=str(device),
        notes=() if settings.method == "network" else (_NO_CLASSES,),
    )


def _accuracies(
    generator: Generator,
    dataset: Dataset,
    rows: Tensor,
    codes: Tensor,
    labels: Tensor | None,
    device: torch.device,
    settings: InferenceSettings,
) -> tuple[float | None, float | None]:
    """The nearest neighbour's class by codes and by the encoder's last hidden layer, over all training rows."""
    encoder = generator.encoder
    if encoder is None or settings.method != "network" or labels is None or dataset.train.labels is None:
        return None, None
    hidden, code = [], []
    with torch.no_grad():
        for part in [*torch.split(dataset.train.stored, 5_000), None]:
            values = rows if part is None else dataset.values(part)
            before = encoder.before_last(generator.to_network(values.to(device)), None, None)
            hidden.append(before.flatten(1).cpu())
            last: Tensor = encoder.layers[-1](before)
            code.append(last.flatten(1).cpu())
    accuracies = []
    for layer in (code, hidden):
        found = nearest(layer[-1], torch.cat(layer[:-1]))[0]
        accuracies.append(_share(dataset.train.labels[found] == labels))
    return accuracies[0], accuracies[1]


def _distances(first: Tensor, second: Tensor) -> Tensor:
    distances: Tensor = torch.linalg.vector_norm(first.double() - second.double(), dim=1)
    return distances


def _standard_error(values: Tensor) -> float:
    return float(values.std() / len(values) ** 0.5)


def _share(right: Tensor) -> float:
    return float(right.double().mean())
