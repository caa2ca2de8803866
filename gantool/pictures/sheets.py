"""Pictures as PNG files: sheets of samples, interpolation strips, neighbour sheets, toy data as points or bars.

Walks are GIF files. Drawn with Pillow alone. A file is complete or is not there: each is written beside its place and
renamed.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from gantool.errors import UsageError
from gantool.files import replacing

Pixels = NDArray[np.uint8]

# Images smaller than this are enlarged by a whole factor, pixel by pixel, so that 8×8 digits can be seen.
_LEAST_SIDE = 48
_GAP = 2
_PAIR_GAP = 10
_FRAME = 3
_PAPER = (255, 255, 255)
_FRAME_COLOUR = (255, 200, 0)  # the paper frames its nearest training examples in yellow
_SAMPLE_COLOUR = (0, 90, 181)
_DATA_COLOUR = (200, 200, 200)
_PLOT_SIDE = 480
_BINS = 80
# Part of a toy picture's range that holds these quantiles of the data: one stray point must not shrink the rest.
_QUANTILES = (0.005, 0.995)


def as_pixels(rows: torch.Tensor, norm: float | None) -> torch.Tensor:
    """Rows [N, D] as they are drawn. With `data.scale` = norm:R an image has no pixels to go back to: x / max|x| is
    drawn in their place, from black at −1 to white at 1, as the released code's scripts do."""
    if norm is None:
        return rows
    return (rows / rows.abs().amax(dim=-1, keepdim=True).clamp_min(1e-8) + 1) / 2


def sheet(
    images: torch.Tensor,
    shape: tuple[int, ...],
    columns: int,
    path: Path,
    *,
    data: torch.Tensor | None = None,
) -> None:
    """Writes rows [N, D] as one PNG picture.

    `shape` (channels, height, width), 1 or 3 channels: a grid of images, `columns` in a row; values in [0, 1], others
    are clipped. `shape` (1,) or (2,): a histogram or a scatter of the points, over that of `data` [M, D] where given.
    Any other: one row of pixels for each example, from the least value (black) to the largest (white).
    Raises UsageError where the rows are not of this shape, or `columns` is below 1.
    """
    _check(images, shape, columns)
    if len(shape) == 3:
        tiles = _tiles(images, shape)
        _save(_grid(tiles, min(columns, len(tiles))), path)
    elif shape == (1,):
        _save(_histogram(_numbers(images), None if data is None else _numbers(data)), path)
    elif shape == (2,):
        _save(_scatter(_numbers(images), None if data is None else _numbers(data)), path)
    else:
        _save(_heat_map(_numbers(images)), path)


def interpolation_strip(images: torch.Tensor, shape: tuple[int, ...], path: Path) -> None:
    """Writes [rows, steps, D] as a sheet with a row for each pair of z (Goodfellow et al. 2014, Figure 3)."""
    sheet(images.flatten(0, 1), shape, images.shape[1], path)


def neighbour_sheet(
    samples: torch.Tensor, neighbours: torch.Tensor, shape: tuple[int, ...], columns: int, path: Path
) -> None:
    """Writes each sample [n, D] with its nearest training example [n, D] to its right, framed in yellow.

    `columns` pairs in a row (Goodfellow et al. 2014, Figure 2). Images only; UsageError for anything else.
    """
    if len(shape) != 3 or samples.shape != neighbours.shape:
        raise UsageError(
            f"A neighbour sheet needs images and one neighbour for each, but the examples have shape {shape} and there "
            f"are {len(samples)} samples and {len(neighbours)} neighbours."
        )
    _check(samples, shape, columns)
    left, right = _frame(_tiles(samples, shape), _PAPER), _frame(_tiles(neighbours, shape), _FRAME_COLOUR)
    _save(_grid(np.concatenate([left, right], axis=2), min(columns, len(left)), gap=_PAIR_GAP), path)


def figure2_sheet(samples: torch.Tensor, neighbours: torch.Tensor, shape: tuple[int, ...], path: Path) -> None:
    """Writes samples [R, C, D] as a grid, and at the right of each row a training image of `neighbours` [R, D], framed
    in yellow: the nearest one to the row's last sample (Goodfellow et al. 2014, Figure 2)."""
    rows, columns, _ = samples.shape
    left = _frame(_tiles(samples.flatten(0, 1), shape), _PAPER).reshape(rows, columns, *_frame_shape(shape))
    right = _frame(_tiles(neighbours, shape), _FRAME_COLOUR)[:, None]
    _save(_grid(np.concatenate([left, right], axis=1).reshape(-1, *_frame_shape(shape)), columns + 1), path)


def animation(frames: torch.Tensor, shape: tuple[int, ...], columns: int, path: Path, milliseconds: int) -> None:
    """Writes [F, N, D] as a GIF of F frames, each a grid of N images, that plays `milliseconds` a frame and loops.

    Values in [0, 1], others are clipped. GIF counts in hundredths of a second.
    Images only; UsageError for anything else.
    """
    if len(shape) != 3:
        raise UsageError(f"An animation needs images, but the examples have shape {shape}.")
    _check(frames.flatten(0, 1), shape, columns)
    grids = [_grid(_tiles(frame, shape), min(columns, len(frame))) for frame in frames]
    if shape[0] == 1:
        pages = [grid.convert("L") for grid in grids]  # a GIF's 256 colours hold every grey exactly
    else:
        # One palette for all frames: with one for each, still parts of the picture would flicker.
        palette = Image.fromarray(np.concatenate([np.asarray(grid) for grid in grids])).quantize(256)
        pages = [grid.quantize(palette=palette) for grid in grids]
    with replacing(path) as partial:
        pages[0].save(
            partial, format="GIF", save_all=True, append_images=pages[1:], duration=milliseconds, loop=0, optimize=False
        )


def _check(images: torch.Tensor, shape: tuple[int, ...], columns: int) -> None:
    if images.ndim != 2 or len(images) == 0 or images.shape[1] != math.prod(shape):
        raise UsageError(
            f"A picture of examples of shape {shape} needs rows [N, {math.prod(shape)}], not {list(images.shape)}."
        )
    if columns < 1:
        raise UsageError(f"A picture needs 1 column or more, but is asked for {columns}.")
    if len(shape) == 3 and shape[0] not in (1, 3):
        raise UsageError(f"A picture has 1 channel (grey) or 3 (red, green, blue), but the examples have {shape[0]}.")


def _numbers(rows: torch.Tensor) -> NDArray[np.float64]:
    return rows.detach().cpu().double().numpy()


def _tiles(images: torch.Tensor, shape: tuple[int, ...]) -> Pixels:
    """Rows in [0, 1] → [N, H, W, 3] bytes, enlarged where small."""
    values = images.detach().cpu().float().nan_to_num(nan=0.0).clamp(0.0, 1.0).mul(255.0).round().to(torch.uint8)
    tiles = values.view(-1, *shape).permute(0, 2, 3, 1).numpy()
    factor = max(1, math.ceil(_LEAST_SIDE / max(shape[1:])))
    tiles = tiles.repeat(factor, axis=1).repeat(factor, axis=2)
    return np.broadcast_to(tiles, (*tiles.shape[:3], 3))


def _frame_shape(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Height, width and colours of a framed tile."""
    factor = max(1, math.ceil(_LEAST_SIDE / max(shape[1:])))
    return shape[1] * factor + 2 * _FRAME, shape[2] * factor + 2 * _FRAME, 3


def _frame(tiles: Pixels, colour: tuple[int, int, int]) -> Pixels:
    """[N, H, W, 3] → [N, H + 2f, W + 2f, 3], a border of the colour around each."""
    count, height, width, _ = tiles.shape
    framed = np.empty((count, height + 2 * _FRAME, width + 2 * _FRAME, 3), np.uint8)
    framed[:] = colour
    framed[:, _FRAME:-_FRAME, _FRAME:-_FRAME] = tiles
    return framed


def _grid(tiles: Pixels, columns: int, gap: int = _GAP) -> Image.Image:
    count, height, width, _ = tiles.shape
    rows = math.ceil(count / columns)
    canvas = np.empty((gap + rows * (height + gap), gap + columns * (width + gap), 3), np.uint8)
    canvas[:] = _PAPER
    for index, tile in enumerate(tiles):
        top = gap + index // columns * (height + gap)
        left = gap + index % columns * (width + gap)
        canvas[top : top + height, left : left + width] = tile
    return Image.fromarray(canvas)


def _heat_map(rows: NDArray[np.float64]) -> Image.Image:
    finite = np.nan_to_num(rows, nan=0.0, posinf=0.0, neginf=0.0)
    low, width = finite.min(), np.ptp(finite)
    pixels = ((finite - low) / (width or 1.0) * 255).round().astype(np.uint8)
    factor = max(1, math.ceil(4 * _LEAST_SIDE / max(pixels.shape)))
    return Image.fromarray(pixels.repeat(factor, axis=0).repeat(factor, axis=1))


def _limits(points: NDArray[np.float64], data: NDArray[np.float64] | None) -> tuple[float, float]:
    """One range for both axes, from the data where there are any: pictures of one run then have one scale."""
    basis = points if data is None else data
    basis = basis[np.isfinite(basis).all(axis=1)]
    if len(basis) == 0:
        return -1.0, 1.0
    low, high = (float(bound) for bound in np.quantile(basis, _QUANTILES))
    margin = 0.15 * (high - low) or 1.0
    return low - margin, high + margin


def _scatter(points: NDArray[np.float64], data: NDArray[np.float64] | None) -> Image.Image:
    image = Image.new("RGB", (_PLOT_SIDE, _PLOT_SIDE), _PAPER)
    draw = ImageDraw.Draw(image)
    low, high = _limits(points, data)
    draw.rectangle((0, 0, _PLOT_SIDE - 1, _PLOT_SIDE - 1), outline=_DATA_COLOUR)
    for rows, colour, radius in ((data, _DATA_COLOUR, 1), (points, _SAMPLE_COLOUR, 2)):
        if rows is None:
            continue
        places = (rows[np.isfinite(rows).all(axis=1)] - low) / (high - low) * (_PLOT_SIDE - 1)
        for x, y in places[((places >= 0) & (places < _PLOT_SIDE)).all(axis=1)]:
            down = _PLOT_SIDE - 1 - y  # pixels count downwards
            draw.ellipse((x - radius, down - radius, x + radius, down + radius), fill=colour)
    return image


def _histogram(points: NDArray[np.float64], data: NDArray[np.float64] | None) -> Image.Image:
    """Samples as bars, the data's density as a grey area behind; both have area 1, so that N does not matter."""
    image = Image.new("RGB", (_PLOT_SIDE, _PLOT_SIDE // 2), _PAPER)
    draw = ImageDraw.Draw(image)
    limits = _limits(points, data)
    bars = _heights(points, limits)
    areas = None if data is None else _heights(data, limits)
    top = max(bars.max(), 0.0 if areas is None else areas.max()) or 1.0
    width, bottom = _PLOT_SIDE / _BINS, _PLOT_SIDE // 2 - 1
    for heights, colour, share in ((areas, _DATA_COLOUR, 1.0), (bars, _SAMPLE_COLOUR, 0.5)):
        for index, height in enumerate([] if heights is None else heights):
            if height > 0:
                left, upper = (index + (1 - share) / 2) * width, bottom - 0.95 * bottom * height / top
                draw.rectangle((left, upper, left + share * width - 1, bottom), fill=colour)
    draw.line((0, bottom, _PLOT_SIDE, bottom), fill=(0, 0, 0))
    return image


def _heights(points: NDArray[np.float64], limits: tuple[float, float]) -> NDArray[np.float64]:
    counts, _ = np.histogram(points[np.isfinite(points)], bins=_BINS, range=limits)
    return counts / max(1, len(points))


def _save(image: Image.Image, path: Path) -> None:
    with replacing(path) as partial:
        image.save(partial, format="PNG")
