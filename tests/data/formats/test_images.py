"""Folders of images: what is read, in which order, and every file that is refused by name."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from gantool.data.formats import images
from gantool.data.formats.images import read_image_folder
from gantool.errors import UsageError

RNG = np.random.default_rng(0)


def save(path: Path, pixels: np.ndarray, mode: str | None = None) -> Path:
    path.parent.mkdir(exist_ok=True)
    picture = Image.fromarray(pixels)
    (picture.convert(mode) if mode else picture).save(path)
    return path


def grey(height: int = 3, width: int = 4) -> np.ndarray:
    return RNG.integers(0, 256, (height, width), dtype=np.uint8)


def png(width: int, height: int, depth: int = 8, data: bytes = b"") -> bytes:
    """A PNG file of one grey channel whose header may promise anything."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def test_grey_images_in_sorted_order(tmp_path: Path) -> None:
    pictures = {name: grey() for name in ("b.png", "a.PNG", "c.png")}
    for name, pixels in pictures.items():
        save(tmp_path / name, pixels)
    (tmp_path / ".hidden").write_text("of the desktop")
    found = read_image_folder(tmp_path)
    assert (found.labels, found.classes) == (None, ())
    np.testing.assert_array_equal(found.pixels[:, 0], [pictures[name] for name in ("a.PNG", "b.png", "c.png")])


def test_colours_come_channels_first(tmp_path: Path) -> None:
    pixels = RNG.integers(0, 256, (5, 6, 3), dtype=np.uint8)
    save(tmp_path / "one.png", pixels)
    np.testing.assert_array_equal(read_image_folder(tmp_path).pixels[0], pixels.transpose(2, 0, 1))


def test_a_jpeg_is_what_pillow_decodes(tmp_path: Path) -> None:
    path = save(tmp_path / "one.jpeg", RNG.integers(0, 256, (8, 8, 3), dtype=np.uint8))
    with Image.open(path) as picture:
        expected = np.asarray(picture).transpose(2, 0, 1)
    np.testing.assert_array_equal(read_image_folder(tmp_path).pixels[0], expected)


def test_subfolders_are_classes(tmp_path: Path) -> None:
    pictures = [save(tmp_path / kind / f"{index}.png", grey()) for kind in ("dog", "cat") for index in range(2)]
    found = read_image_folder(tmp_path)
    assert found.classes == ("cat", "dog")
    assert found.labels is not None
    assert found.labels.tolist() == [0, 0, 1, 1]
    with Image.open(pictures[2]) as first_cat:
        np.testing.assert_array_equal(found.pixels[0, 0], np.asarray(first_cat))


@pytest.mark.parametrize("mode", ["1", "P", "RGBA", "LA"])
def test_modes_that_lose_nothing_are_read(mode: str, tmp_path: Path) -> None:
    pixels = np.where(grey(4, 4) > 127, 255, 0).astype(np.uint8)
    save(tmp_path / "one.png", pixels, mode)
    channels = read_image_folder(tmp_path).pixels[0]
    assert len(channels) == (3 if mode == "RGBA" else 1)
    np.testing.assert_array_equal(channels, np.broadcast_to(pixels, channels.shape))


def test_other_sizes_name_two_files(tmp_path: Path) -> None:
    save(tmp_path / "a.png", grey(3, 4))
    save(tmp_path / "b.png", grey(4, 3))
    with pytest.raises(UsageError, match=r"a\.png is 4×3 grey and .*b\.png is 3×4 grey"):
        read_image_folder(tmp_path)


def test_grey_beside_colour_names_two_files(tmp_path: Path) -> None:
    save(tmp_path / "a.png", grey())
    save(tmp_path / "b.png", grey(), "RGB")
    with pytest.raises(UsageError, match=r"b\.png is 4×3 RGB and .*a\.png is 4×3 grey"):
        read_image_folder(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "can be recognised"),
        (b"not a picture", "can be recognised"),
        (png(30_000, 30_000), "decompression bomb"),
        (png(9_000, 9_000), "9000×9000, too large"),
        (png(2, 2, data=b"\0\0"), "cannot be read as an image"),
        (png(2, 1, depth=16, data=b"\0\0\0\0\0"), "16 bits a channel"),
        (b"GIF89a\1\0\1\0\0\0\0,\0\0\0\0\1\0\1\0\0\2\2D\1\0;", "can be recognised"),
    ],
    ids=["empty", "text", "bomb", "large", "truncated", "sixteen bits", "another format"],
)
def test_a_file_that_is_no_good_is_named(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "odd.png").write_bytes(content)
    with pytest.raises(UsageError, match=rf"odd\.png.*{message}"):
        read_image_folder(tmp_path)


def test_transparent_and_print_colours_are_refused(tmp_path: Path) -> None:
    save(tmp_path / "clear" / "odd.png", np.full((2, 2, 4), 9, dtype=np.uint8))
    save(tmp_path / "print" / "odd.jpg", grey(), "CMYK")
    for name in ("clear/odd.png", "print/odd.jpg"):
        with pytest.raises(UsageError, match=r"odd\.\w+ is neither grey nor RGB"):
            read_image_folder((tmp_path / name).parent)


def test_anything_else_in_the_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no PNG or JPEG image"):
        read_image_folder(tmp_path)
    save(tmp_path / "cat" / "a.png", grey())
    (tmp_path / "labels.txt").write_text("0")
    with pytest.raises(UsageError, match=r"labels\.txt beside subfolders such as cat"):
        read_image_folder(tmp_path)
    (tmp_path / "labels.txt").rename(tmp_path / "cat" / "labels.txt")
    with pytest.raises(UsageError, match=r"labels\.txt is not a PNG or JPEG file"):
        read_image_folder(tmp_path)


def test_more_than_the_memory_is_refused_before_it_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path / "a.png", grey(30, 40))
    monkeypatch.setattr(images, "_memory", lambda: 30 * 40 * 5 - 1)
    with pytest.raises(UsageError, match="more than this machine has"):
        read_image_folder(tmp_path)
    monkeypatch.setattr(images, "_memory", lambda: 30 * 40 * 5)
    assert read_image_folder(tmp_path).pixels.shape == (1, 1, 30, 40)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data(), st.sampled_from(["one.png", "one.jpg"]))
def test_damaged_bytes_are_pixels_or_one_sentence(tmp_path: Path, data: st.DataObject, name: str) -> None:
    for old in tmp_path.iterdir():
        old.unlink()
    path = save(tmp_path / name, np.arange(64, dtype=np.uint8).reshape(8, 8))
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    refusal = None
    try:
        assert read_image_folder(tmp_path).pixels.dtype == np.uint8
    except UsageError as error:
        refusal = str(error)
    assert refusal is None or name in refusal


def test_subfolders_that_are_numbers_carry_them(tmp_path: Path) -> None:
    """As text, 10 and 11 would come between 1 and 2."""
    for name in ("0", "1", "2", "10", "11"):
        (tmp_path / name).mkdir()
        Image.fromarray(np.full((2, 3), int(name), np.uint8)).save(tmp_path / name / "a.png")
    found = read_image_folder(tmp_path)
    assert found.classes == ()
    assert found.labels is not None
    assert found.labels.tolist() == found.pixels[:, 0, 0, 0].tolist() == [0, 1, 2, 10, 11]


def test_a_picture_on_its_side_is_read_upright(tmp_path: Path) -> None:
    upright = np.arange(6, dtype=np.uint8).reshape(2, 3)
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90° clockwise to see it upright
    Image.fromarray(np.rot90(upright)).save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(read_image_folder(tmp_path).pixels[0, 0], upright)


def test_litter_of_systems_is_left_out(tmp_path: Path) -> None:
    Image.fromarray(np.full((2, 3), 7, dtype=np.uint8)).save(tmp_path / "1.png")
    for name in ("Thumbs.db", "desktop.ini", ".DS_Store", "ehthumbs.db", "Icon\r"):
        (tmp_path / name).write_bytes(b"\x00")
    for name in ("__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information"):
        (tmp_path / name).mkdir()
    assert read_image_folder(tmp_path).pixels.shape == (1, 1, 2, 3)


def palette(path: Path, colours: list[tuple[int, int, int]]) -> None:
    image = Image.new("P", (len(colours), 1))
    image.putpalette([value for colour in colours for value in colour])
    image.putdata(list(range(len(colours))))
    image.save(path)


def test_a_palette_of_greys_is_grey(tmp_path: Path) -> None:
    palette(tmp_path / "1.png", [(0, 0, 0), (9, 9, 9)])
    Image.fromarray(np.array([[3, 4]], dtype=np.uint8)).save(tmp_path / "2.png")
    assert read_image_folder(tmp_path).pixels.tolist() == [[[[0, 9]]], [[[3, 4]]]]


def test_a_palette_of_greys_among_colours_is_rgb(tmp_path: Path) -> None:
    palette(tmp_path / "1.png", [(0, 0, 0), (9, 9, 9)])
    palette(tmp_path / "2.png", [(1, 2, 3), (4, 5, 6)])
    pixels = read_image_folder(tmp_path).pixels
    assert pixels.tolist() == [[[[0, 9]]] * 3, [[[1, 4]], [[2, 5]], [[3, 6]]]]
    Image.fromarray(np.array([[3, 4]], dtype=np.uint8)).save(tmp_path / "3.png")
    with pytest.raises(UsageError, match=r"2\.png is 2×1 RGB and .*3\.png is 2×1 grey"):
        read_image_folder(tmp_path)


def test_a_file_that_the_system_does_not_give_is_not_called_damaged(tmp_path: Path) -> None:
    (tmp_path / "a.png").symlink_to("/proc/self/mem")  # its first byte cannot be read
    with pytest.raises(UsageError, match=r"a\.png cannot be read as an image: Input/output error\.$"):
        read_image_folder(tmp_path)
