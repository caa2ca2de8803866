"""What `gantool sample` makes of a run: sheets, an array, interpolations, walks and nearest training images."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gantool.data import Dataset
from gantool.errors import UsageError
from gantool.files import check_output, replacing
from gantool.models import Generator
from gantool.pictures import sheets
from gantool.progress import Progress, silent
from gantool.runs import Run
from gantool.runs.data import load_data
from gantool.sampling import generate, interpolate, latent_walk, nearest_training, sample_labels
from gantool.seeds import check_seed

OUTPUTS = ("grid", "out", "interpolate", "neighbours", "walk")
_INTERPOLATION_STEPS, _NEIGHBOUR_PAIRS = 10, 6
_SUFFIXES = {"out": (".npz", ".npy"), "walk": (".gif",)}
_WALK_COLUMNS = 4  # a walk shows 4 × 4 images
FRAME_MILLISECONDS = 60
# A sheet is there to be looked at; an array holds any number of samples.
MOST_IMAGES, MOST_PAIRS = 1_024, 60
_PER_CLASS = 10


@dataclass(frozen=True)
class SampleRequest:
    """What to draw and where to write it; checked at once, so that a typo costs no work and leaves no half result.

    `grid`, `interpolate` and `neighbours` are .png files, `walk` is a .gif and `out` a .npz or .npy file; with none of
    them a sheet goes into the run. `grid` shows the first 1,024 samples and `neighbours` the first 60. `columns` None
    stands for each picture's own default; `rows` are those of the interpolation. `label` is the class of all samples of
    a conditional run; without one its sheet has a row a class.
    """

    count: int = 64
    seed: int = 0
    step: int | None = None
    grid: Path | None = None
    out: Path | None = None
    interpolate: Path | None = None
    neighbours: Path | None = None
    walk: Path | None = None
    columns: int | None = None
    rows: int = 8
    label: int | None = None

    def __post_init__(self) -> None:
        for flag, value in (("--n", self.count), ("--columns", self.columns), ("--rows", self.rows)):
            if value is not None and value < 1:
                raise UsageError(f"{flag} must be a whole number, 1 or more, but is {value}.")
        if self.interpolate and self.columns == 1:
            raise UsageError("--columns must be 2 or more for --interpolate: a row goes from one z to another.")
        check_seed(self.seed)
        for name, path in self.files().items():
            check_output(f"--{name}", path, _SUFFIXES.get(name, (".png",)))
        if len({path.resolve() for path in self.files().values()}) < len(self.files()):
            raise UsageError("Two outputs name the same file; give each its own.")

    def files(self) -> dict[str, Path]:
        """The outputs that are asked for, by option name."""
        named = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: path for name, path in named.items() if isinstance(path, Path)}


def draw(
    run: Run,
    request: SampleRequest,
    device: torch.device,
    *,
    data_root: Path | None = None,
    offline: bool = False,
    array: Path | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Draws from the run's generator, writes what is asked for, each file whole or not at all, and says what it did.

    Raises UsageError where the run has no such checkpoint, or its data are needed and missing or others now.
    """
    shape = run.data.shape
    for name, path in (("neighbours", request.neighbours), ("walk", request.walk)):
        if path and len(shape) != 3:
            raise UsageError(f"--{name} draws images, and an example of {run.data.name} has the shape {list(shape)}.")
    generator = run.load_generator(device, request.step)
    step = run.latest_step() if request.step is None else request.step
    files = request.files() or {"grid": run.samples / f"sample-step-{step:07d}-seed-{request.seed}.png"}
    # Points are drawn over the data's; a neighbour sheet searches the training rows. Nothing else reads the data.
    needs_data = "neighbours" in files or ("grid" in files and _is_plotted(shape))
    dataset = load_data(run, root=data_root, offline=offline, array=array) if needs_data else None
    progress("drawing samples", 0, 0)
    labels = sample_labels(generator, request.count, request.seed, request.label)
    samples = generate(
        generator, run.config.noise, request.count, seed=request.seed, device=device, labels=labels
    ).cpu()
    if path := files.get("out"):
        _write_array(samples, shape, request.seed, path, labels)
    notes: list[str] = []
    pixels = partial(sheets.as_pixels, norm=run.config.data.norm)
    if run.config.data.norm is not None and len(shape) == 3:
        notes.append(f"Pictures show x / max|x| of each image: data.scale = {run.config.data.scale} has no way back.")
    if path := files.get("grid"):
        shown = samples if _is_plotted(shape) else _first(samples, MOST_IMAGES, "sheet", notes)
        columns = request.columns or math.ceil(math.sqrt(len(shown)))
        if generator.label_counts and request.label is None and not _is_plotted(shape):
            columns = request.columns or _PER_CLASS
            shown = _row_a_class(generator, run, columns, request.seed, device)
            notes.append(f"The sheet shows {columns} samples of each class, a row a class.")
        sheets.sheet(pixels(shown), shape, columns, path, data=_points(dataset))
    _write_ways(generator, run, request, files, device, progress)
    nearest = None
    if (path := files.get("neighbours")) and dataset is not None:
        progress("searching the nearest training images", 0, 0)
        nearest = _write_neighbours(samples, dataset, request.columns or _NEIGHBOUR_PAIRS, path, notes)
    return {
        "run": str(run.path),
        "step": step,
        "seed": request.seed,
        "num_samples": request.count,
        "shape": list(shape),
        "nearest_training": nearest,
        "notes": notes,
        "device": str(device),
        **{name: str(files[name]) if name in files else None for name in OUTPUTS},
    }


def _write_ways(
    generator: Generator,
    run: Run,
    request: SampleRequest,
    files: Mapping[str, Path],
    device: torch.device,
    progress: Progress,
) -> None:
    """The sheet of interpolations and the walk, where they are asked for."""
    shape, pixels = run.data.shape, partial(sheets.as_pixels, norm=run.config.data.norm)
    if path := files.get("interpolate"):
        progress("drawing interpolations", 0, 0)
        steps = request.columns or _INTERPOLATION_STEPS
        strip = interpolate(generator, run.config.noise, request.rows, steps, seed=request.seed, device=device)
        sheets.interpolation_strip(pixels(strip.cpu()), shape, path)
    if path := files.get("walk"):
        progress("drawing a walk", 0, 0)
        columns = request.columns or _WALK_COLUMNS
        frames = latent_walk(generator, run.config.noise, columns * columns, seed=request.seed, device=device)
        sheets.animation(pixels(frames.cpu()), shape, columns, path, FRAME_MILLISECONDS)


def _row_a_class(generator: Generator, run: Run, columns: int, seed: int, device: torch.device) -> torch.Tensor:
    """`columns` samples of each class, a class after the other."""
    classes = len(generator.label_counts)
    labels = torch.arange(classes, device="cpu").repeat_interleave(columns)
    return generate(generator, run.config.noise, len(labels), seed=seed, device=device, labels=labels).cpu()


def _is_plotted(shape: tuple[int, ...]) -> bool:
    """True for numbers and points in the plane: one picture holds any number of them."""
    return shape in ((1,), (2,))


def _first(samples: torch.Tensor, most: int, picture: str, notes: list[str]) -> torch.Tensor:
    """What a picture shows of the samples [N, D]; where it is not all of them, the notes say so."""
    if len(samples) > most:
        notes.append(f"The {picture} shows the first {most:,} of the {len(samples):,} samples.")
    return samples[:most]


def _write_array(
    samples: torch.Tensor, shape: tuple[int, ...], seed: int, path: Path, labels: torch.Tensor | None = None
) -> None:
    """Rows [N, D], with their shape and classes; a .npy file has the rows alone, and takes colours as [N, C, H, W]."""
    with replacing(path) as partial, partial.open("wb") as file:
        if path.suffix.lower() == ".npy":
            colours = len(shape) == 3 and shape[0] > 1
            np.save(file, (samples.view(-1, *shape) if colours else samples).numpy(), allow_pickle=False)
        else:
            arrays = {"samples": samples.numpy(), "seed": np.array(seed), "shape": np.array(shape, np.int64)}
            if labels is not None:
                arrays["labels"] = labels.numpy()
            np.savez(file, allow_pickle=False, **arrays)


def _points(dataset: Dataset | None) -> torch.Tensor | None:
    return None if dataset is None or dataset.is_image else dataset.values(dataset.test.stored)


def _write_neighbours(
    samples: torch.Tensor, dataset: Dataset, columns: int, path: Path, notes: list[str]
) -> dict[str, float]:
    """Draws the sheet → the least, median and largest distance to a training row, of all samples."""
    indices, distances = nearest_training(samples, dataset)
    shown = _first(samples, MOST_PAIRS, "sheet of nearest training images", notes)
    neighbours = dataset.values(dataset.train.stored[indices[: len(shown)]])
    pair = [sheets.as_pixels(part, dataset.norm) for part in (shown, neighbours)]
    sheets.neighbour_sheet(pair[0], pair[1], dataset.shape, columns, path)
    return {
        "minimum": distances.min().item(),
        "median": distances.median().item(),
        "maximum": distances.max().item(),
    }
