"""A folder of images of any sizes, cropped and scaled to squares of one size.

The images are decoded once, by worker processes, into one file in the user's cache, and read from there page by page:
a folder may be larger than memory. The cache's name depends on every file's path, size and time, so that a folder that
has changed is decoded anew.
"""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch

from gantool.data.dataset import Dataset, Split, fixed_permutation
from gantool.data.formats.images import decode_square, list_images
from gantool.data.formats.npy import Array
from gantool.errors import UsageError
from gantool.files import cache_folder, replacing

LABELS = "labels.csv"
_LEAST_ROWS = 10
# Processes are started for more images than these; each then takes so many at a time.
_MANY, _CHUNK = 2_000, 256
_NAMED = 3


def load_folder(folder: Path, size: int, *, skip_broken: bool = True) -> Dataset:
    """Squares of `size` pixels from every PNG or JPEG image of a folder, dealt out 80 / 10 / 10 for good.

    Subfolders are classes; in a folder without any, labels.csv may hold a file name and a label a line. Images that
    cannot be read are left out, and `warnings` names them, unless `skip_broken` is false.

    Raises UsageError where nothing can be read, or an image cannot and is not to be left out.
    """
    listing = list_images(folder, strict=False)
    paths = listing.paths
    if len(paths) < _LEAST_ROWS:
        held = f"but holds {len(paths)}"
        raise UsageError(f"{folder} must hold {_LEAST_ROWS} images or more to be split 80/10/10, {held}.")
    cache = cache_folder() / "folders" / f"{_key(paths, size)}.npy"
    broken = cache.with_suffix(".txt")
    if not (cache.is_file() and broken.is_file()):
        _decode(paths, size, cache, broken)
    sentences = broken.read_text(encoding="utf-8").splitlines()
    if sentences and not skip_broken:
        raise UsageError(sentences[0].partition("\t")[2])
    lost = {int(line.partition("\t")[0]) for line in sentences}
    rows = np.load(cache, mmap_mode="c")  # copy on write: torch wants arrays that may be written
    order = [index for index in fixed_permutation(len(paths)).tolist() if index not in lost]
    if len(order) < _LEAST_ROWS:
        raise UsageError(f"Of {len(paths):,} images in {folder} only {len(order)} can be read.")
    labels = listing.labels or _labels_of(folder, paths)
    classes = None if labels is None else torch.tensor([labels[index] for index in order], dtype=torch.int64)
    stored = torch.from_numpy(rows[: len(order)])
    held_out = len(order) // 10
    ends = [0, len(order) - 2 * held_out, len(order) - held_out, len(order)]
    parts = [slice(first, last) for first, last in pairwise(ends)]
    train, validation, test = (Split(stored[part], None if classes is None else classes[part]) for part in parts)
    channels = rows.shape[1] // size**2
    return Dataset(
        "array",
        train,
        validation,
        test,
        shape=(channels, size, size),
        divisor=255.0,
        source=f"{folder}, {len(order):,} images cropped to squares and scaled to {size} pixels",
        warnings=_warnings(folder, len(paths), sentences, listing.others),
    )


def _warnings(folder: Path, count: int, broken: list[str], others: list[Path]) -> tuple[str, ...]:
    said = []
    if broken:
        named = "; ".join(line.partition("\t")[2].rstrip(".") for line in broken[:_NAMED])
        said.append(f"{len(broken):,} of {count:,} images are left out, as they cannot be read: {named}.")
    if others:
        named = ", ".join(path.name for path in others[:_NAMED])
        said.append(f"{len(others):,} files of {folder} are no PNG or JPEG images and are left out: {named}.")
    return tuple(said)


def _key(paths: list[Path], size: int) -> str:
    digest = hashlib.sha256(f"squares of {size}".encode())
    for path in paths:
        facts = path.stat()
        digest.update(f"{path.absolute()}\0{facts.st_size}\0{facts.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:32]


def _decode(paths: list[Path], size: int, cache: Path, broken: Path) -> None:
    """Writes every image that can be read, in the order in which rows are dealt out: the splits are then whole pieces.

    Grey images alone are kept in one channel; one in colour makes all RGB.
    """
    order = fixed_permutation(len(paths)).tolist()
    chunks = [order[first : first + _CHUNK] for first in range(0, len(order), _CHUNK)]
    jobs = [([str(paths[index]) for index in chunk], size) for chunk in chunks]
    cache.parent.mkdir(parents=True, exist_ok=True)
    faults: list[str] = []
    with replacing(cache.with_suffix(".rgb")) as raw:
        colours, count = False, 0
        with raw.open("wb") as file:
            for chunk, (pixels, wrong) in zip(chunks, _results(jobs), strict=True):
                colours = colours or bool((pixels != pixels[:, :1]).any())
                file.write(pixels.tobytes())
                count += len(pixels)
                faults += [f"{chunk[place]}\t{sentence}" for place, sentence in wrong]
        found = np.memmap(raw, np.uint8, "r", shape=(count, 3, size * size)) if count else np.empty((0, 3, size * size))
        channels = 3 if colours else 1
        with replacing(cache) as partial:
            rows = np.lib.format.open_memmap(partial, "w+", np.uint8, (count, channels * size * size))
            for first in range(0, count, _CHUNK):
                part = found[first : first + _CHUNK, :channels]
                rows[first : first + _CHUNK] = part.reshape(len(part), -1)
            rows.flush()
    cache.with_suffix(".rgb").unlink()
    with replacing(broken) as partial:
        partial.write_text("".join(f"{line}\n" for line in faults), encoding="utf-8")


def _results(jobs: list[tuple[list[str], int]]) -> Iterator[tuple[Array, list[tuple[int, str]]]]:
    if sum(len(paths) for paths, _ in jobs) <= _MANY:
        yield from map(decode_squares, jobs)
        return
    # Fresh processes: a fork of one with torch's threads may wait for a lock that nobody holds.
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as workers:
        yield from workers.map(decode_squares, jobs)


def decode_squares(job: tuple[list[str], int]) -> tuple[Array, list[tuple[int, str]]]:
    """(paths, size) → the images that can be read [n, 3, size²], and (place, sentence) of each that cannot."""
    paths, size = job
    images, wrong = [], []
    for place, path in enumerate(paths):
        try:
            images.append(decode_square(Path(path), size))
        except UsageError as error:
            wrong.append((place, " ".join(str(error).split())))
    return np.stack(images) if images else np.empty((0, 3, size * size), np.uint8), wrong


def _labels_of(folder: Path, paths: list[Path]) -> list[int] | None:
    """labels.csv as a label for each path: whole numbers as they are, else the sorted names as 0, 1, …"""
    file = folder / LABELS
    if not file.is_file():
        return None
    with file.open(encoding="utf-8-sig", newline="") as lines:
        rows = [row for row in csv.reader(lines) if row]
    named = {row[0]: row[1].strip() for row in rows if len(row) >= 2}
    missing = [path.name for path in paths if path.name not in named]
    if missing:
        raise UsageError(f"{file} has no label for {missing[0]}, nor for {len(missing) - 1:,} other images.")
    words = [named[path.name] for path in paths]
    if all(word.isascii() and word.isdigit() for word in words):
        return [int(word) for word in words]
    numbers = {word: number for number, word in enumerate(sorted(set(words)))}
    return [numbers[word] for word in words]
