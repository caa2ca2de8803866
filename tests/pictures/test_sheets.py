"""Pictures are read back pixel by pixel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gantool.errors import UsageError
from gantool.pictures.sheets import animation, interpolation_strip, neighbour_sheet, sheet


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB")).astype(int)


def test_a_sheet_shows_each_image_in_its_place(tmp_path: Path) -> None:
    images = torch.rand(5, 50 * 60, generator=torch.Generator().manual_seed(0))
    sheet(images, (1, 50, 60), 3, tmp_path / "grid.png")
    found = pixels(tmp_path / "grid.png")
    assert found.shape == (2 * 50 + 3 * 2, 3 * 60 + 4 * 2, 3)
    for index, image in enumerate(images):
        top, left = 2 + index // 3 * 52, 2 + index % 3 * 62
        tile = found[top : top + 50, left : left + 60]
        expected = (image.view(50, 60, 1) * 255).round().numpy()
        np.testing.assert_array_equal(tile, np.broadcast_to(expected, (50, 60, 3)))
    assert (found[:2] == 255).all()  # the border
    assert (found[54:, 126:] == 255).all()  # the place that no image fills


def test_small_images_are_enlarged_pixel_by_pixel(tmp_path: Path) -> None:
    image = torch.linspace(0, 1, 64)
    sheet(image[None], (1, 8, 8), 1, tmp_path / "digit.png")
    found = pixels(tmp_path / "digit.png")[2:-2, 2:-2, 0]
    assert found.shape == (48, 48)
    expected = (image.view(8, 8) * 255).round().numpy().repeat(6, axis=0).repeat(6, axis=1)
    np.testing.assert_array_equal(found, expected)


def test_colours_are_channels_first(tmp_path: Path) -> None:
    image = torch.zeros(1, 3, 48, 48)
    image[0, 0] = 1.0
    sheet(image.flatten(1), (3, 48, 48), 1, tmp_path / "red.png")
    assert (pixels(tmp_path / "red.png")[2:-2, 2:-2] == (255, 0, 0)).all()


def test_values_outside_the_unit_interval_are_clipped(tmp_path: Path) -> None:
    sheet(torch.tensor([[-3.0, 7.0, torch.nan, torch.inf]]), (1, 2, 2), 1, tmp_path / "wild.png")
    found = pixels(tmp_path / "wild.png")[2:-2, 2:-2, 0]
    assert [found[0, 0], found[0, -1], found[-1, 0], found[-1, -1]] == [0, 255, 0, 255]


def test_fewer_images_than_columns_make_a_narrow_sheet(tmp_path: Path) -> None:
    sheet(torch.zeros(2, 48 * 48), (1, 48, 48), 10, tmp_path / "two.png")
    assert pixels(tmp_path / "two.png").shape == (52, 102, 3)


def test_a_strip_has_a_row_for_each_pair(tmp_path: Path) -> None:
    strip = torch.linspace(0, 1, 4)[None, :, None].expand(3, 4, 48 * 48)
    interpolation_strip(strip, (1, 48, 48), tmp_path / "strip.png")
    found = pixels(tmp_path / "strip.png")
    assert found.shape == (3 * 50 + 2, 4 * 50 + 2, 3)
    assert found[20, [20, 70, 120, 170], 0].tolist() == [0, 85, 170, 255]


def test_a_neighbour_stands_framed_to_the_right_of_its_sample(tmp_path: Path) -> None:
    samples, neighbours = torch.full((2, 48 * 48), 0.2), torch.full((2, 48 * 48), 0.6)
    neighbour_sheet(samples, neighbours, (1, 48, 48), 1, tmp_path / "pairs.png")
    found = pixels(tmp_path / "pairs.png")
    row = found[10 + 27]
    grey = {51: "sample", 153: "neighbour"}
    order = [grey[value] for value in dict.fromkeys(row[:, 0].tolist()) if value in grey]
    assert order == ["sample", "neighbour"]
    yellow = np.flatnonzero((row == (255, 200, 0)).all(axis=1))
    inside = np.flatnonzero((row == 153).all(axis=1))
    assert yellow.min() < inside.min()
    assert yellow.max() > inside.max()
    assert len(yellow) == 6


def test_an_animation_holds_every_frame_exactly_and_loops(tmp_path: Path) -> None:
    frames = torch.rand(5, 4, 48 * 48, generator=torch.Generator().manual_seed(0))
    animation(frames, (1, 48, 48), 2, tmp_path / "walk.gif", 70)
    with Image.open(tmp_path / "walk.gif") as image:
        assert (image.format, image.size, image.n_frames, image.info["loop"]) == ("GIF", (102, 102), 5, 0)
        for index, frame in enumerate(frames):
            image.seek(index)
            assert image.info["duration"] == 70
            found = np.asarray(image.convert("RGB")).astype(int)
            expected = (frame[3].view(48, 48, 1) * 255).round().numpy()
            np.testing.assert_array_equal(found[52:100, 52:100], np.broadcast_to(expected, (48, 48, 3)))


def test_an_animation_of_colours_has_one_palette(tmp_path: Path) -> None:
    frames = torch.zeros(3, 1, 3, 48, 48)
    for index in range(3):
        frames[index, 0, index] = 1.0
    animation(frames.flatten(2), (3, 48, 48), 1, tmp_path / "walk.gif", 60)
    with Image.open(tmp_path / "walk.gif") as image:
        for index in range(3):
            image.seek(index)
            centre = np.asarray(image.convert("RGB")).astype(int)[26, 26]
            assert centre.argmax() == index
            assert centre[index] > 240


def test_an_animation_of_points_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="needs images"):
        animation(torch.zeros(2, 3, 2), (2,), 1, tmp_path / "x.gif", 60)
    assert list(tmp_path.iterdir()) == []


def test_neighbours_of_points_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="needs images"):
        neighbour_sheet(torch.zeros(2, 2), torch.zeros(2, 2), (2,), 1, tmp_path / "x.png")


def test_points_stand_where_they_are(tmp_path: Path) -> None:
    data = torch.tensor([[0.0, 0.0], [1.0, 1.0]]).repeat(300, 1)
    sheet(torch.tensor([[0.0, 1.0], [torch.nan, 0.0], [50.0, 50.0]]), (2,), 1, tmp_path / "points.png", data=data)
    blue = (pixels(tmp_path / "points.png") == (0, 90, 181)).all(axis=2)
    rows, columns = np.nonzero(blue)
    # x = 0, y = 1 under a margin of 0.15: from the left 0.15/1.3 of the side, from the top as much.
    expected = 0.15 / 1.3 * 479
    assert abs(rows.mean() - expected) < 1.5
    assert abs(columns.mean() - expected) < 1.5
    assert rows.max() - rows.min() <= 4  # the one point that is finite and inside


def test_a_histogram_has_its_mass_where_the_points_are(tmp_path: Path) -> None:
    points = torch.cat([torch.zeros(300, 1), torch.ones(100, 1)])
    sheet(points, (1,), 1, tmp_path / "bars.png", data=torch.linspace(0, 1, 500)[:, None])
    blue = (pixels(tmp_path / "bars.png") == (0, 90, 181)).all(axis=2)
    heights = blue.sum(axis=0)
    bars = np.split(heights[heights > 0], np.flatnonzero(np.diff(np.flatnonzero(heights)) > 1) + 1)
    assert len(bars) == 2
    assert bars[0].max() / bars[1].max() == pytest.approx(3.0, rel=0.05)


def test_other_rows_become_a_row_of_pixels_each(tmp_path: Path) -> None:
    sheet(torch.tensor([[0.0, 5.0, 10.0], [10.0, 5.0, 0.0]]), (3,), 1, tmp_path / "rows.png")
    found = pixels(tmp_path / "rows.png")[:, :, 0]
    height, width = found.shape
    assert found[height // 4, [width // 6, width // 2, -1]].tolist() == [0, 128, 255]
    assert found[-1, [0, width // 2, -1]].tolist() == [255, 128, 0]


@pytest.mark.parametrize("shape", [(1,), (2,), (3,)])
def test_points_that_are_all_one_or_not_finite_make_a_picture_all_the_same(tmp_path: Path, shape: tuple[int]) -> None:
    for value in (0.0, torch.nan):
        sheet(torch.full((4, *shape), value), shape, 1, tmp_path / "flat.png")
        assert pixels(tmp_path / "flat.png").size > 0


@pytest.mark.parametrize(
    ("images", "shape", "columns", "message"),
    [
        (torch.zeros(3, 5), (1, 2, 2), 2, r"needs rows \[N, 4\], not \[3, 5\]"),
        (torch.zeros(0, 4), (1, 2, 2), 2, r"needs rows \[N, 4\], not \[0, 4\]"),
        (torch.zeros(3, 4), (1, 2, 2), 0, "1 column or more, but is asked for 0"),
        (torch.zeros(3, 8), (2, 2, 2), 2, "1 channel .* or 3 .*have 2"),
    ],
)
def test_what_cannot_be_drawn_is_refused(
    tmp_path: Path, images: torch.Tensor, shape: tuple[int, ...], columns: int, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        sheet(images, shape, columns, tmp_path / "x.png")
    assert list(tmp_path.iterdir()) == []


def test_an_old_picture_gives_way_to_a_complete_one_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "grid.png"
    path.write_bytes(b"old")

    def torn(self: Image.Image, target: Path, format: str) -> None:
        target.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Image.Image, "save", torn)
        with pytest.raises(OSError, match="No space left"):
            sheet(torch.zeros(1, 4), (1, 2, 2), 1, path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
    sheet(torch.zeros(1, 4), (1, 2, 2), 1, path)
    assert pixels(path).shape == (52, 52, 3)
