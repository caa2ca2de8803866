"""A small classifier of the labelled data: which class a sample belongs to, and features to compare samples by.

It is trained here, on the data's own training rows, and kept under the user's cache as safetensors. Features of a
classifier that was trained elsewhere, Inception's for one, are another measure altogether.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils import skip_init

from gantool.data.dataset import Dataset, Split
from gantool.errors import UsageError
from gantool.evaluation.kept import Kept, keep, read_kept
from gantool.files import cache_folder
from gantool.isolation import own_modes
from gantool.nn import ScaledDropout
from gantool.progress import Progress, silent
from gantool.seeds import derive_seed

FEATURES = 64
_CHANNELS, _HIDDEN, _DROPOUT = (16, 32), 128, 0.2
_BATCH, _RATE, _ROWS_AT_ONCE = 128, 3e-3, 1_000
# Three passes over MNIST are 1,173 steps and reach 98.9 %; a small data set gets as many steps as a large one needs.
_EPOCHS, _LEAST_STEPS = 3, 800
# Constant rows or features would divide by zero.
_TINY = 1e-6
# Part of the cache's key: a change of the network or of its training must not find old weights.
_VERSION = 3


class _Network(nn.Module):
    """Rows [N, D] → logits [N, K]; `hidden` is the last hidden layer.

    Images go through convolutions, other rows do not. `feature_scale` is the root mean square of the last hidden layer
    on training rows: features are divided by it, so that distances between them do not depend on how far the weights
    happened to grow.
    """

    mean: Tensor
    scale: Tensor
    feature_scale: Tensor

    def __init__(self, shape: tuple[int, ...], classes: int, rng: torch.Generator) -> None:
        super().__init__()
        self.shape = shape
        self.convolutional = len(shape) == 3 and min(shape[1:]) >= 4
        for name, value in (("mean", 0.0), ("scale", 1.0), ("feature_scale", 1.0)):
            self.register_buffer(name, torch.tensor(value, dtype=torch.float32, device="cpu"))
        body, width = _convolutions(shape) if self.convolutional else _dense(math.prod(shape))
        self.trunk = nn.Sequential(*body, _layer(nn.Linear, width, FEATURES), nn.ReLU())
        self.dropout = ScaledDropout(1 - _DROPOUT, 1 / (1 - _DROPOUT))
        self.head = _layer(nn.Linear, FEATURES, classes)
        _draw(self, rng)

    def hidden(self, rows: Tensor) -> Tensor:
        rows = (rows - self.mean) / self.scale
        values: Tensor = self.trunk(rows.reshape(len(rows), *self.shape) if self.convolutional else rows)
        return values

    def forward(self, rows: Tensor, rng: torch.Generator | None = None) -> Tensor:
        logits: Tensor = self.head(self.dropout(self.hidden(rows), rng))
        return logits


def _convolutions(shape: tuple[int, ...]) -> tuple[list[nn.Module], int]:
    first, second = _CHANNELS
    layers: list[nn.Module] = [
        _layer(nn.Conv2d, shape[0], first, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        _layer(nn.Conv2d, first, second, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
    ]  # fmt: skip
    return layers, second * (shape[1] // 4) * (shape[2] // 4)


def _dense(width: int) -> tuple[list[nn.Module], int]:
    return [_layer(nn.Linear, width, _HIDDEN), nn.ReLU()], _HIDDEN


def _layer(kind: type[nn.Module], *sizes: int, **options: int) -> nn.Module:
    """A layer whose weights are not drawn yet: torch would draw them from its default generator."""
    layer: nn.Module = skip_init(kind, *sizes, **options, device="cpu", dtype=torch.float32)  # type: ignore[no-untyped-call]
    return layer


def _draw(network: nn.Module, rng: torch.Generator) -> None:
    """Weights and biases as torch draws them for such layers, U(−b, b) with b = 1/√(inputs of a unit)."""
    for layer in network.modules():
        if isinstance(layer, (nn.Linear, nn.Conv2d)):
            bound = 1 / math.sqrt(layer.weight[0].numel())
            with torch.no_grad():
                for parameter in layer.parameters():
                    parameter.uniform_(-bound, bound, generator=rng)


@contextmanager
def _one_thread() -> Iterator[None]:
    """One thread, and the caller's number again afterwards.

    Sums over several threads round otherwise, and training carries that into features that differ by a per cent.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@dataclass(frozen=True)
class Classifier:
    """A trained classifier, on the CPU. `classes` are the labels in ascending order, the columns of `probabilities`.

    `accuracy` is the share of the validation rows that it labels rightly; `about` says in a sentence what it is.
    `fingerprint` is the SHA-256 of its weights: what two classifiers measure is comparable where it is the same.
    """

    network: _Network
    dimension: int
    classes: tuple[int, ...]
    accuracy: float
    about: str
    fingerprint: str
    notes: tuple[str, ...] = ()

    def predict(self, rows: Tensor) -> Tensor:
        """Rows [N, D] in the data's units → their most probable labels [N] int64."""
        return torch.tensor(self.classes, device="cpu")[self.probabilities(rows).argmax(dim=1)]

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
        with torch.no_grad(), _one_thread():
            return torch.cat([function(part) for part in torch.split(rows.detach().float().cpu(), _ROWS_AT_ONCE)])


@own_modes()
def train_classifier(
    dataset: Dataset, *, cache: Path | None = None, progress: Progress = silent, seed: int = 0
) -> Classifier:
    """A classifier of the data set's labels, trained on its training rows; its accuracy is of the validation rows.

    The weights are kept under `cache` (None: not kept), by a hash of rows, labels, settings and seed, with a checksum;
    anything else in their place is replaced, and `notes` says so. Everything runs on one thread, so that the number of
    threads never matters; another processor or torch may round otherwise, which the fingerprint shows. MNIST takes
    about 40 s the first time. Raises UsageError where the training or validation rows have no labels, or where there
    are fewer than two classes.
    """
    train, validation = _labelled(dataset, "train"), _labelled(dataset, "validation")
    classes = tuple(torch.unique(train[1]).tolist())
    if len(classes) < 2:
        raise UsageError(
            f"The training rows of {dataset.name} are all of one class, and a classifier needs two: give other "
            f"labels, or choose a measure that needs none."
        )
    rng = torch.Generator().manual_seed(derive_seed(seed, "classifier"))
    network = _Network(dataset.shape, len(classes), rng)
    key = _key(dataset, train[1], seed)
    path = cache / f"{dataset.name}-{key[:32]}.safetensors" if cache else None
    kept = read_kept(path, key) if path else Kept()
    notes: list[str] = []
    if kept.tensors is not None:
        network.load_state_dict(kept.tensors)
    else:
        if kept.fault:
            notes.append(f"The cached classifier {path} was damaged ({kept.fault}) and has been trained again.")
        targets = torch.searchsorted(torch.tensor(classes, device="cpu"), train[1])
        with _one_thread():
            _fit(network, dataset, train[0], targets, progress, rng)
        if path and (refusal := keep(path, key, network.state_dict())):
            notes.append(
                f"The classifier could not be kept in {path.parent} ({refusal}): the next evaluation trains it again."
            )
    network.eval().requires_grad_(False)
    found = Classifier(network, dataset.dimension, classes, math.nan, "", _fingerprint(network), tuple(notes))
    accuracy = (found.predict(dataset.values(validation[0])) == validation[1]).double().mean().item()
    kind = "convolutional" if network.convolutional else "fully connected"
    about = (
        f"a small {kind} classifier trained by gantool on {len(train[0]):,} rows of {dataset.name}, right on "
        f"{_share(accuracy, len(validation[0]))} validation rows"
    )
    return replace(found, accuracy=accuracy, about=about)


def _share(accuracy: float, rows: int) -> str:
    """A share of few rows is a count: 100.0 % of 1 row promises what nobody measured."""
    return f"{accuracy:.1%} of {rows:,}" if rows >= 100 else f"{round(accuracy * rows)} of {rows}"


def classifier_cache() -> Path:
    """Where weights are kept: gantool's folder in the user's cache."""
    return cache_folder() / "classifiers"


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
    return digest.hexdigest()


def _fingerprint(network: nn.Module) -> str:
    digest = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        digest.update(f"{name}/{tuple(value.shape)}".encode())
        digest.update(value.contiguous().numpy().data)
    return digest.hexdigest()


def _fit(
    network: _Network, dataset: Dataset, stored: Tensor, targets: Tensor, progress: Progress, rng: torch.Generator
) -> None:
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
        order = torch.randperm(len(stored), generator=rng, device=rng.device)
        for step, rows in enumerate(torch.split(order, _BATCH)):
            loss = nn.functional.cross_entropy(network(dataset.values(stored[rows]), rng), targets[rows])
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()
            progress(stage, epoch * batches + step + 1, epochs * batches)
    with torch.no_grad():
        network.feature_scale.copy_(network.hidden(sample).square().mean().sqrt().clamp_min(_TINY))
