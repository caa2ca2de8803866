"""Rows out of a generator: samples, interpolations between two z, walks, and the training rows nearest to them."""

from __future__ import annotations

import torch
from torch import nn

from gantool.config import NoiseConfig
from gantool.data.dataset import Dataset
from gantool.data.labels import as_vectors, draw_labels
from gantool.errors import UsageError
from gantool.models import Generator
from gantool.models.noise import draw_noise, on_sphere
from gantool.numerics.neighbours import nearest
from gantool.seeds import derive_seed


def generate(
    generator: nn.Module,
    noise: NoiseConfig,
    count: int,
    *,
    seed: int,
    device: torch.device | str,
    batch_size: int = 1000,
    labels: torch.Tensor | None = None,
) -> torch.Tensor:
    """Draws z from the prior and returns G(z): [count, D] float32 on `device`, in the data's units.

    All noise is drawn at once and on the CPU, so that one seed means the same z on every device and for every
    `batch_size`. A generator that is told classes gets `labels` [count] int64, or those of :func:`sample_labels`.
    Raises UsageError for a count below 1.
    """
    if count < 1:
        raise UsageError(f"The number of samples must be 1 or more, but is {count}.")
    if labels is None:
        labels = sample_labels(generator, count, seed)
    z = draw_noise(noise, count, _rng(seed, "samples"))
    return _apply(generator, z, device, batch_size, _told(generator, labels))


def sample_labels(generator: nn.Module, count: int, seed: int, label: int | None = None) -> torch.Tensor | None:
    """The classes [count] int64 of :func:`generate`'s samples, by the training rows' shares, or all `label`.

    None where the generator is told none. Raises UsageError for a label that it cannot be told.
    """
    counts = _label_counts(generator)
    if label is not None and not counts:
        raise UsageError("This run's generator is not told a class: it was trained with data.condition = none.")
    if not counts:
        return None
    if label is None:
        return draw_labels(counts, count, _rng(seed, "labels of samples"))
    if not 0 <= label < len(counts):
        raise UsageError(f"The class must be from 0 to {len(counts) - 1}, as the training labels are, but is {label}.")
    return torch.full((count,), label, dtype=torch.int64, device="cpu")


def _label_counts(generator: nn.Module) -> tuple[int, ...]:
    counts: tuple[int, ...] = getattr(generator, "label_counts", ())
    return counts


def _told(generator: nn.Module, labels: torch.Tensor | None) -> torch.Tensor | None:
    return None if labels is None else as_vectors(labels, len(_label_counts(generator)))


def interpolate(
    generator: nn.Module,
    noise: NoiseConfig,
    rows: int,
    steps: int,
    *,
    seed: int,
    device: torch.device | str,
) -> torch.Tensor:
    """G along straight lines between two z, a pair for each row: [rows, steps, D] (Goodfellow et al. 2014, Figure 3).

    The first and last of the `steps` are the two ends. Under the spherical prior the points between are scaled
    back to the sphere, where all of its mass is. Raises UsageError for fewer than one row or two steps.
    """
    if rows < 1 or steps < 2:
        raise UsageError(f"An interpolation needs 1 row and 2 steps at least, but is asked for {rows} and {steps}.")
    ends = draw_noise(noise, 2 * rows, _rng(seed, "interpolation")).view(rows, 2, 1, noise.dimension)
    weight = torch.linspace(0.0, 1.0, steps, dtype=ends.dtype, device=ends.device)[:, None]
    z = torch.lerp(ends[:, 0], ends[:, 1], weight)
    labels = sample_labels(generator, rows, seed)  # a row keeps its class
    told = _told(generator, None if labels is None else labels.repeat_interleave(steps))
    return _apply(generator, on_sphere(z, noise).flatten(0, 1), device, given=told).view(rows, steps, -1)


def latent_walk(
    generator: nn.Module,
    noise: NoiseConfig,
    loops: int,
    *,
    stops: int = 5,
    frames: int = 12,
    seed: int,
    device: torch.device | str,
) -> torch.Tensor:
    """G along `loops` closed loops, each through `stops` draws of z: [stops · frames, loops, D] float32.

    Between two stops the way is straight and eased (3t² − 2t³), so that it rests a little at each; the frame after the
    last one would be the first again. Under the spherical prior the points between are scaled back to the sphere.
    Raises UsageError for fewer than one loop, two stops or one frame.
    """
    if loops < 1 or stops < 2 or frames < 1:
        raise UsageError(f"A walk needs 1 loop, 2 stops and 1 frame at least, not {loops}, {stops} and {frames}.")
    start = draw_noise(noise, stops * loops, _rng(seed, "walk")).view(stops, 1, loops, noise.dimension)
    end = start.roll(-1, dims=0)
    t = torch.arange(frames, dtype=start.dtype, device=start.device) / frames
    z = torch.lerp(start, end, (t * t * (3.0 - 2.0 * t)).view(1, frames, 1, 1))
    labels = sample_labels(generator, loops, seed)  # a loop keeps its class
    told = _told(generator, None if labels is None else labels.repeat(stops * frames))
    return _apply(generator, on_sphere(z, noise).flatten(0, 2), device, given=told).view(stops * frames, loops, -1)


def complete(
    generator: Generator,
    noise: NoiseConfig,
    rows: torch.Tensor,
    known: torch.Tensor,
    draws: int,
    *,
    seed: int,
    device: torch.device | str,
) -> torch.Tensor:
    """Rows [N, D] in the data's units with what is not `known` [N, D] bool filled in, `draws` times: [draws, N, D], on
    the CPU.

    Raises UsageError for a generator that was not trained with masks, and for other shapes.
    """
    if not generator.fills:
        raise UsageError("This run fills in nothing: it was trained without data.condition = mask.")
    if rows.shape != known.shape or rows.shape[1] != generator.fills:
        raise UsageError(
            f"Rows of {rows.shape[1]} values with a mask of {known.shape[-1]} do not fit a run on rows of "
            f"{generator.fills} values."
        )
    seen = generator.to_network(rows.float().nan_to_num(nan=0.0))
    given = torch.cat([known.float(), seen * known], dim=1)
    rng, filled = _rng(seed, "completions"), []
    for _ in range(draws):
        z = draw_noise(noise, len(rows), rng)
        found = _apply(generator, z, device, given=given).cpu()
        filled.append(torch.where(known, rows.float(), found))
    return torch.stack(filled)


def nearest_training(samples: torch.Tensor, dataset: Dataset) -> tuple[torch.Tensor, torch.Tensor]:
    """The training row nearest to each sample [n, D]: (indices [n] int64, Euclidean distances [n] float64), on the CPU.

    Exhaustive and exact; a tie goes to the lowest index. Raises UsageError for samples of another width.
    """
    if samples.ndim != 2 or samples.shape[1] != dataset.dimension:
        raise UsageError(
            f"The samples have shape {tuple(samples.shape)} and the rows of {dataset.name} have {dataset.dimension} "
            f"values: only samples of the same data have a nearest training row."
        )
    return nearest(samples, dataset.values(dataset.train.stored))


def _rng(seed: int, purpose: str) -> torch.Generator:
    return torch.Generator().manual_seed(derive_seed(seed, purpose))


def _apply(
    generator: nn.Module,
    z: torch.Tensor,
    device: torch.device | str,
    batch_size: int = 1000,
    given: torch.Tensor | None = None,
) -> torch.Tensor:
    to_data = getattr(generator, "to_data", lambda rows: rows)
    if given is None and (fills := getattr(generator, "fills", 0)):  # nothing is known
        given = torch.zeros(len(z), 2 * fills, dtype=z.dtype, device=z.device)
    parts = torch.split(z, batch_size)
    told = [{}] * len(parts) if given is None else [{"condition": c.to(device)} for c in torch.split(given, batch_size)]
    with torch.no_grad():
        rows = [to_data(generator(part.to(device), **more).float()) for part, more in zip(parts, told, strict=True)]
        return torch.cat(rows)
