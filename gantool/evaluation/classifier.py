"""A small classifier of the labelled data: which class a sample belongs to, and features to compare samples by.

It is trained here, on the data's own training rows, and kept under the user's cache as safetensors. Features of a
classifier that was trained elsewhere, Inception's for one, are another measure altogether.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from gantool.data.dataset import Dataset, Split
from gantool.errors import UsageError
from gantool.evaluation.density import Progress, silent
from gantool.evaluation.references import cache_folder
from gantool.files import replacing
from gantool.seeds import derive_seed

FEATURES = 64
_CHANNELS, _HIDDEN, _DROPOUT = (16, 32), 128, 0.2
_BATCH, _RATE, _ROWS_AT_ONCE = 128, 3e-3, 1_000
# Three passes over MNIST are 1,173 steps and reach 98.9 %; a small data set gets as many steps as a large one needs.
_EPOCHS, _LEAST_STEPS = 3, 800
# Constant rows or features would divide by zero.
_TINY = 1e-6
# Part of the cache's key: a change of the network or of its training must not find old weights.
_VERSION = 1


class _Network(nn.Module):
    """Rows [N, D] → logits [N, K]; `hidden` is the last hidden layer.

    Images go through convolutions, other rows do not. `feature_scale` is the root mean square of the last hidden layer
    on training rows: features are divided by it, so that distances between them do not depend on how far the weights
    happened to grow.
    """

    def __init__(self, shape: tuple[int, ...], classes: int) -> None:
        super().__init__()
        self.shape = shape
        self.convolutional = len(shape) == 3 and min(shape[1:]) >= 4
        self.mean = nn.Buffer(torch.zeros(()))
        self.scale = nn.Buffer(torch.ones(()))
        self.feature_scale = nn.Buffer(torch.ones(()))
        body, width = _convolutions(shape) if self.convolutional else _dense(math.prod(shape))
        self.trunk = nn.Sequential(*body, nn.Linear(width, FEATURES), nn.ReLU())
        self.head = nn.Sequential(nn.Dropout(_DROPOUT), nn.Linear(FEATURES, classes))

    def hidden(self, rows: Tensor) -> Tensor:
        rows = (rows - self.mean) / self.scale
        values: Tensor = self.trunk(rows.reshape(len(rows), *self.shape) if self.convolutional else rows)
        return values

    def forward(self, rows: Tensor) -> Tensor:
        logits: Tensor = self.head(self.hidden(rows))
        return logits


def _convolutions(shape: tuple[int, ...]) -> tuple[list[nn.Module], int]:
    first, second = _CHANNELS
    layers: list[nn.Module] = [
        nn.Conv2d(shape[0], first, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(first, second, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
    ]  # fmt: skip
    return layers, second * (shape[1] // 4) * (shape[2] // 4)


def _dense(width: int) -> tuple[list[nn.Module], int]:
    return [nn.Linear(width, _HIDDEN), nn.ReLU()], _HIDDEN


@dataclass(frozen=True)
class Classifier:
    """A trained classifier, on the CPU. `classes` are the labels in ascending order, the columns of `probabilities`.

    `accuracy` is the share of the validation rows that it labels rightly; `about` says in a sentence what it is.
    """

    network: _Network
    dimension: int
    classes: tuple[int, ...]
    accuracy: float
    about: str
    notes: tuple[str, ...] = ()

    def predict(self, rows: Tensor) -> Tensor:
        """Rows [N, D] in the data's units → their most probable labels [N] int64."""
        return torch.tensor(self.classes)[self.probabilities(rows).argmax(dim=1)]

    def probabilities(self, rows: Tensor) -> Tensor:
        """Rows [N, D] → the probability of each class [N, K] float32."""
        return self._apply(lambda part: self.network(part).softmax(dim=1), rows)

    def features(self, rows: Tensor) -> Tensor:
        """Rows [N, D] → the last hidden layer [N, F] float32, F = 64; of mean square 1 on training rows."""
        return self._apply(lambda part: self.network.hidden(part) / self.network.feature_scale, rows)

    def _apply(self, function: Callable[[Tensor], Tensor], rows: Tensor) -> Tensor:
        if rows.ndim != 2 or rows.shape[1] != self.dimension:
            raise UsageError(
                f"The classifier takes rows of {self.dimension} values, but these have the shape {list(rows.shape)}."
            )
        with torch.no_grad():
            return torch.cat([function(part) for part in torch.split(rows.detach().float().cpu(), _ROWS_AT_ONCE)])


def train_classifier(
    dataset: Dataset, *, cache: Path | None = None, progress: Progress = silent, seed: int = 0
) -> Classifier:
    """A classifier of the data set's labels, trained on its training rows; its accuracy is of the validation rows.

    The weights are kept under `cache` (None: not kept), by a hash of rows, labels, settings and seed; a file there that
    is damaged is replaced, and `notes` says so. MNIST takes about 25 s the first time. Raises UsageError where the
    training or validation rows have no labels, or where there are fewer than two classes.
    """
    train, validation = _labelled(dataset, "train"), _labelled(dataset, "validation")
    classes = tuple(torch.unique(train[1]).tolist())
    if len(classes) < 2:
        raise UsageError(
            f"The training rows of {dataset.name} are all of one class, and a classifier needs two: give other "
            f"labels, or choose a measure that needs none."
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "classifier"))
        network = _Network(dataset.shape, len(classes))
        path = cache / f"{dataset.name}-{_key(dataset, train[1], seed)}.safetensors" if cache else None
        kept = _read(path, network) if path and path.is_file() else None
        notes: list[str] = []
        if kept is not None:
            network.load_state_dict(kept)
        else:
            if path and path.is_file():
                notes.append(f"The cached classifier {path} was damaged and has been trained again.")
            _fit(network, dataset, train[0], torch.searchsorted(torch.tensor(classes), train[1]), progress)
            notes += _save(network, path) if path else []
    network.eval().requires_grad_(False)
    found = Classifier(network, dataset.dimension, classes, math.nan, "", tuple(notes))
    accuracy = (found.predict(dataset.values(validation[0])) == validation[1]).double().mean().item()
    kind = "convolutional" if network.convolutional else "fully connected"
    about = (
        f"a small {kind} classifier trained by gantool on {len(train[0]):,} rows of {dataset.name}, right on "
        f"{accuracy:.1%} of {len(validation[0]):,} validation rows"
    )
    return Classifier(network, dataset.dimension, classes, accuracy, about, tuple(notes))


def classifier_cache() -> Path:
    """Where weights are kept: gantool's folder in the user's cache."""
    return cache_folder().parent / "classifiers"


def _labelled(dataset: Dataset, name: str) -> tuple[Tensor, Tensor]:
    split: Split = dataset.split(name)
    if split.labels is None or len(split) == 0:
        raise UsageError(
            f"The {name} rows of {dataset.name} have no labels to train and check a classifier on; give labels, or "
            f"choose a measure that needs none."
        )
    return split.stored, split.labels


def _key(dataset: Dataset, labels: Tensor, seed: int) -> str:
    settings = (_VERSION, dataset.shape, dataset.divisor, FEATURES, _CHANNELS, _HIDDEN, _DROPOUT, _BATCH, _RATE, seed)
    digest = hashlib.sha256(f"{settings}/{_EPOCHS}/{_LEAST_STEPS}/{dataset.fingerprint()}".encode())
    digest.update(labels.contiguous().numpy().data)
    return digest.hexdigest()[:32]


def _fit(network: _Network, dataset: Dataset, stored: Tensor, targets: Tensor, progress: Progress) -> None:
    """Adam on the cross-entropy, the rate falling linearly to zero, in random order without replacement."""
    sample = dataset.values(stored[: 10 * _ROWS_AT_ONCE])
    network.mean.copy_(sample.mean())
    network.scale.copy_(sample.std(correction=0).clamp_min(_TINY))
    batches = math.ceil(len(stored) / _BATCH)
    epochs = max(_EPOCHS, math.ceil(_LEAST_STEPS / batches))
    optimizer = torch.optim.Adam(network.parameters(), lr=_RATE)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, epochs * batches)
    stage = f"training a classifier of {dataset.name}, kept for the next time"
    progress(stage, 0, 0)
    for epoch in range(epochs):
        for step, rows in enumerate(torch.split(torch.randperm(len(stored)), _BATCH)):
            loss = nn.functional.cross_entropy(network(dataset.values(stored[rows])), targets[rows])
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()
            progress(stage, epoch * batches + step + 1, epochs * batches)
    with torch.no_grad():
        network.feature_scale.copy_(network.hidden(sample).square().mean().sqrt().clamp_min(_TINY))


def _read(path: Path, network: _Network) -> dict[str, Tensor] | None:
    """The cached weights, or None where the file does not hold what its name promises."""
    try:
        with safe_open(path, framework="pt") as file:
            kept = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a dictionary
    except (OSError, SafetensorError):
        return None
    expected = {name: value.shape for name, value in network.state_dict().items()}
    whole = {name: value.shape for name, value in kept.items()} == expected
    return kept if whole and all(bool(value.isfinite().all()) for value in kept.values()) else None


def _save(network: _Network, path: Path) -> list[str]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as partial:
            save_file(network.state_dict(), partial)
    except (OSError, SafetensorError) as error:
        return [f"The classifier could not be kept in {path.parent} ({error}): the next evaluation trains it again."]
    return []
