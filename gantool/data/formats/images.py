"""Folders of PNG and JPEG images of one size, read as bytes; nothing in a file is trusted.

`folder/*.png` are images without labels. In `folder/<class>/*.png` each subfolder is a class. Where all of their names
are whole numbers, those are the labels; else the sorted names are the classes 0, 1, … A picture that a camera took on
its side (an EXIF orientation) is read upright. A palette of greys is grey, unless another image of the folder is RGB.
"""

from __future__ import annotations

import os
import struct
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from gantool.data.formats.npy import Array
from gantool.errors import UsageError

_SUFFIXES = (".png", ".jpg", ".jpeg")
# A header may promise any size: more than this would be a camera's whole picture, not an example of a data set.
_MOST_PIXELS = 4096 * 4096
# One byte as read and four as float32.
_BYTES_A_VALUE = 5
# A PNG file tells its bit depth in byte 24. Pillow cuts 16 bits a channel to 8 without a word.
_DEPTH_AT = 24
# What systems leave in folders of pictures, beside files whose names begin with a dot.
_WINDOWS = ("thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin", "system volume information")
_LITTER = frozenset((*_WINDOWS, "__macosx", "icon\r", "@eadir"))


@dataclass(frozen=True)
class ImageFolder:
    """Images of one size in the order of their sorted paths.

    `pixels` is [N, C, H, W] uint8, C = 1 (grey) or 3 (RGB). `labels` is [N] int64, or None where the folder has no
    subfolders. `classes` are the subfolders' names where those are no numbers: a label is then an index into them.
    """

    pixels: Array
    labels: Array | None
    classes: tuple[str, ...]


def read_image_folder(folder: Path) -> ImageFolder:
    """Reads every image of a folder, or of its subfolders, one a class. Hidden files and systems' litter are left out.

    Raises UsageError naming the file: neither PNG nor JPEG, damaged, cut short, too large, transparent, of 16 bits a
    channel or another colour space; of another size than the first; images beside subfolders; nothing to read.
    """
    paths, labels, classes, _ = list_images(folder)
    first = _as_bytes(paths[0])
    shape = first.pixels.shape
    needed, memory = len(paths) * int(np.prod(shape)) * _BYTES_A_VALUE, _memory()
    if needed > memory:
        raise UsageError(
            f"The {len(paths):,} images of {folder} need {needed / 2**30:,.1f} GiB, more than this machine has; "
            f"give fewer."
        )
    images = [first, *(_as_bytes(path) for path in paths[1:])]
    channels = max(image.pixels.shape[0] for image in images)
    model = next(index for index, image in enumerate(images) if image.pixels.shape[0] == channels)
    expected = images[model].pixels.shape
    pixels = np.empty((len(paths), *expected), dtype=np.uint8)
    for index, (path, image) in enumerate(zip(paths, images, strict=True)):
        found = image.pixels.shape
        if found != expected and not (image.grey_palette and found[1:] == expected[1:]):
            raise UsageError(
                f"The images of a folder must be of one size and colour, but {paths[model]} is {_words(expected)} and "
                f"{path} is {_words(found)}; a run can crop and scale them, with --set data.size=N."
            )
        pixels[index] = image.pixels
    return ImageFolder(pixels, np.array(labels, dtype=np.int64) if labels else None, classes)


class Listing(NamedTuple):
    """The images, a label for each where there are subfolders, the subfolders' names where they are no numbers; and,
    where such files are not refused, what else lies there."""

    paths: list[Path]
    labels: list[int]
    classes: tuple[str, ...]
    others: list[Path]


def list_images(folder: Path, *, strict: bool = True) -> Listing:
    """Every image of a folder, or of its subfolders. With `strict`, anything else in it is a UsageError."""
    others: list[Path] = []
    entries = _visible(folder)
    subfolders = [entry for entry in entries if entry.is_dir()]
    if not subfolders:
        return Listing(_require_images(folder, entries, None if strict else others), [], (), others)
    if not strict:
        others += [entry for entry in entries if not entry.is_dir()]
    elif len(subfolders) < len(entries):
        other = next(entry for entry in entries if not entry.is_dir())
        raise UsageError(
            f"{folder} holds {other.name} beside subfolders such as {subfolders[0].name}: a folder holds either images "
            f"or one subfolder a class."
        )
    paths: list[Path] = []
    labels: list[int] = []
    numbers = _numbers_of([subfolder.name for subfolder in subfolders])
    for subfolder, label in sorted(
        zip(subfolders, numbers or range(len(subfolders)), strict=True), key=lambda pair: pair[1]
    ):
        found = _require_images(subfolder, _visible(subfolder), None if strict else others)
        paths += found
        labels += [label] * len(found)
    return Listing(paths, labels, () if numbers else tuple(subfolder.name for subfolder in subfolders), others)


def _numbers_of(names: list[str]) -> list[int] | None:
    """The labels that names stand for where all are whole numbers, each another one; None else.

    As text, 10 comes before 2: a position in that order is no identity.
    """
    if not all(name.isascii() and name.isdigit() for name in names):
        return None
    numbers = [int(name) for name in names]
    return numbers if len(set(numbers)) == len(numbers) and max(numbers) < 2**31 else None


def _visible(folder: Path) -> list[Path]:
    try:
        entries = (entry for entry in folder.iterdir() if entry.name.lower() not in _LITTER)
        return sorted(entry for entry in entries if not entry.name.startswith("."))
    except OSError as error:
        raise UsageError(f"The folder {folder} cannot be read: {error.strerror or error}.") from error


def _require_images(folder: Path, entries: list[Path], others: list[Path] | None) -> list[Path]:
    """The images among the entries; anything else goes to `others`, and is refused without such a list."""
    images = [entry for entry in entries if entry.suffix.lower() in _SUFFIXES and entry.is_file()]
    rest = [entry for entry in entries if entry not in set(images)]
    if rest and others is None:
        raise UsageError(f"{rest[0]} is not a PNG or JPEG file, and a folder of images may hold nothing else.")
    if not images:
        raise UsageError(f"The folder {folder} holds no PNG or JPEG image.")
    if others is not None:
        others += rest
    return images


def decode_square(path: Path, size: int) -> Array:
    """The middle square of an image, scaled to `size` pixels a side, as RGB [3, size²] bytes.

    Raises UsageError as :func:`read_image_folder` does, but for the size.
    """
    pixels = _as_bytes(path).pixels
    _, height, width = pixels.shape
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = pixels[:, top : top + side, left : left + side]
    image = Image.fromarray(square[0] if len(square) == 1 else square.transpose(1, 2, 0))
    scaled = np.asarray(image.resize((size, size), Image.Resampling.BOX if side >= size else Image.Resampling.BICUBIC))
    channels = scaled[np.newaxis] if scaled.ndim == 2 else scaled.transpose(2, 0, 1)
    return np.broadcast_to(channels, (3, size, size)).reshape(3, -1)


class _Image(NamedTuple):
    """[C, H, W] uint8. `grey_palette`: C is 1, and the file holds a palette of greys, which may stand for RGB."""

    pixels: Array
    grey_palette: bool = False


def _as_bytes(path: Path) -> _Image:
    try:
        with warnings.catch_warnings(), path.open("rb") as stream:
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            start = stream.read(_DEPTH_AT + 1)
            stream.seek(0)
            with Image.open(stream, formats=("PNG", "JPEG")) as image:
                if image.width * image.height > _MOST_PIXELS:
                    raise UsageError(
                        f"{path} is {image.width}×{image.height}, too large for an example: scale it down to "
                        f"{_MOST_PIXELS:,} pixels or fewer."
                    )
                if image.format == "PNG" and start[_DEPTH_AT] == 16:
                    raise UsageError(f"{path} has 16 bits a channel: save it with 8.")
                return _channels(ImageOps.exif_transpose(image), path)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UsageError(
            f"{path} promises far more pixels than an example has; it looks like a decompression bomb."
        ) from error
    except UsageError:
        raise
    except UnidentifiedImageError as error:
        raise UsageError(f"{path} is damaged: neither a PNG nor a JPEG image can be recognised in it.") from error
    except OSError as error:  # of the system, or Pillow's word for a file that is cut short
        raise UsageError(f"{path} cannot be read as an image: {error.strerror or error}.") from error
    except (ValueError, SyntaxError, struct.error, EOFError, IndexError) as error:
        raise UsageError(f"{path} cannot be read as an image: {str(error) or type(error).__name__}.") from error


def _channels(image: Image.Image, path: Path) -> _Image:
    palette = image.mode == "P"
    if image.mode in ("LA", "PA", "RGBA") and image.getchannel("A").getextrema()[0] == 255:
        image = image.convert("L" if image.mode == "LA" else "RGB")  # fully opaque: nothing is lost
    elif image.mode in ("1", "P") and "transparency" not in image.info:
        image = image.convert("L" if image.mode == "1" else "RGB")
    if image.mode not in ("L", "RGB") or "transparency" in image.info:
        raise UsageError(
            f"{path} is neither grey nor RGB (Pillow calls it {image.mode}), or is transparent: save it as one of the "
            f"two, opaque."
        )
    pixels = np.asarray(image)
    if pixels.ndim == 2:
        return _Image(pixels[np.newaxis])
    pixels = pixels.transpose(2, 0, 1)
    grey = palette and bool((pixels == pixels[0]).all())
    return _Image(pixels[:1] if grey else pixels, grey)


def _words(shape: tuple[int, ...]) -> str:
    channels, height, width = shape
    return f"{width}×{height} {'grey' if channels == 1 else 'RGB'}"


def _memory() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
