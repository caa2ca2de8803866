"""Downloads from a real server: each way it can fail leaves nothing behind but a sentence."""

from __future__ import annotations

import errno
import gzip
import hashlib
import io
import re
import socket
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gantool.cli.app import app
from gantool.config import DataConfig
from gantool.data import load_dataset
from gantool.data.fetch import copy_from, download
from gantool.data.registry import DATASETS
from gantool.data.remote import MNIST_FILES, RemoteFile, RemoteSet
from gantool.errors import GantoolError, UsageError

CONTENT = {"one.gz": b"the first file " * 1000, "two.gz": b"the second file " * 1000}
PACKED = {name: gzip.compress(content) for name, content in CONTENT.items()}
FILES = RemoteSet(
    name="pair",
    files=tuple(RemoteFile(name, len(body), hashlib.sha256(body).hexdigest()) for name, body in CONTENT.items()),
    mirrors=("https://never.invalid/",),
)
UNREADABLE = "/proc/self/mem"  # a regular file whose first byte no process can read
NOWHERE = "http://127.0.0.1:9/"  # the discard port: nothing listens there


def names(root: Path) -> list[str]:
    return sorted(path.name for path in (root / "pair").iterdir())


def serve(mirror, prefix: str = "/", **changed) -> str:
    for name, body in PACKED.items():
        mirror.answers[prefix + name] = changed.get(name.removesuffix(".gz"), body)
    return mirror.address + prefix.strip("/")


def drop_midway(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(PACKED["one.gz"])))
    handler.end_headers()
    handler.wfile.write(PACKED["one.gz"][:20])
    handler.wfile.flush()
    handler.connection.shutdown(socket.SHUT_RDWR)


def send_without_end(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    try:
        while True:
            handler.wfile.write(bytes(1 << 16))
    except OSError:  # the client hung up, which is what the test is about
        handler.close_connection = True


def test_good_files_arrive_whole_and_once(mirror, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    address = serve(mirror)
    assert download(FILES, tmp_path, mirrors=[address]) == ["one.gz", "two.gz"]
    assert names(tmp_path) == ["one.gz", "two.gz"]
    assert (tmp_path / "pair" / "one.gz").read_bytes() == PACKED["one.gz"]
    printed = capsys.readouterr()
    assert printed.out == ""
    assert f"Downloading {mirror.address}one.gz" in printed.err
    mirror.asked.clear()
    assert download(FILES, tmp_path, mirrors=[address], offline=True) == []
    assert mirror.asked == []


def test_a_file_compressed_in_another_way_is_the_same_file(mirror, tmp_path: Path) -> None:
    address = serve(mirror, one=gzip.compress(CONTENT["one.gz"], compresslevel=0), two=CONTENT["two.gz"])
    download(FILES, tmp_path, mirrors=[address])
    assert names(tmp_path) == ["one.gz", "two.gz"]


def test_an_archive_is_checked_by_its_own_bytes(mirror, tmp_path: Path) -> None:
    body = PACKED["one.gz"]
    file = RemoteFile("one.gz", len(body), hashlib.sha256(body).hexdigest(), archive=True)
    remote = replace(FILES, files=(file,))
    assert download(remote, tmp_path, mirrors=[serve(mirror)]) == ["one.gz"]
    assert (tmp_path / "pair" / "one.gz").read_bytes() == body
    address = serve(mirror, prefix="/other/", one=gzip.compress(CONTENT["one.gz"], compresslevel=0))
    with pytest.raises(GantoolError, match="what came is not the known file"):
        download(remote, tmp_path / "again", mirrors=[address])
    assert not list((tmp_path / "again" / "pair").iterdir())


FAILURES = {
    "another content": (gzip.compress(b"x" * 15_000), "what came is not the known file: expected SHA-256"),
    "a login page": (b"<html>sign in</html>", "expected 15000 bytes of content, not 20 bytes"),
    "a bomb": (gzip.compress(bytes(1 << 24)), "expected 15000 bytes of content, not more"),
    "a cut gzip stream": (PACKED["one.gz"][:-9], "what came is cut short: its gzip stream has no end"),
    "not found": (404, "HTTP 404 Not Found"),
    "a server error": (503, "HTTP 503 Service Unavailable"),
    "a dropped connection": (drop_midway, "the connection dropped mid-way"),
    "an endless answer": (send_without_end, "what came is longer than the known file"),
}


@pytest.mark.parametrize("case", FAILURES)
def test_a_bad_answer_leaves_nothing_and_is_named(mirror, tmp_path: Path, case: str) -> None:
    answer, said = FAILURES[case]
    address = serve(mirror, one=answer)
    with pytest.raises(GantoolError) as caught:
        download(FILES, tmp_path, mirrors=[address])
    sentence = str(caught.value)
    assert caught.value.exit_code == 1
    assert f"one.gz could not be downloaded ({mirror.address}one.gz: " in sentence
    assert said in sentence
    assert ".part" not in sentence
    assert "--from FOLDER" in sentence
    assert names(tmp_path) == []


@pytest.mark.parametrize("case", FAILURES)
def test_the_second_mirror_serves_when_the_first_does_not(mirror, tmp_path: Path, case: str) -> None:
    first = serve(mirror, "/first/", one=FAILURES[case][0])
    second = serve(mirror, "/second/")
    assert download(FILES, tmp_path, mirrors=[first, second]) == ["one.gz", "two.gz"]
    assert names(tmp_path) == ["one.gz", "two.gz"]
    assert mirror.asked == ["/first/one.gz", "/second/one.gz", "/second/two.gz"]


def test_a_mirror_that_is_down_is_passed_over_and_every_failure_named(mirror, tmp_path: Path) -> None:
    address = serve(mirror, two=404)
    with pytest.raises(GantoolError) as caught:
        download(FILES, tmp_path, mirrors=[NOWHERE, address])
    assert f"{NOWHERE}two.gz: Connection refused" in str(caught.value)
    assert f"{mirror.address}two.gz: HTTP 404" in str(caught.value)
    assert names(tmp_path) == ["one.gz"]


def test_a_damaged_file_is_replaced_and_a_good_one_kept(mirror, tmp_path: Path) -> None:
    address = serve(mirror)
    download(FILES, tmp_path, mirrors=[address])
    mirror.asked.clear()
    (tmp_path / "pair" / "two.gz").write_bytes(PACKED["two.gz"][:50])
    assert download(FILES, tmp_path, mirrors=[address]) == ["two.gz"]
    assert mirror.asked == ["/two.gz"]
    assert (tmp_path / "pair" / "two.gz").read_bytes() == PACKED["two.gz"]


def test_a_file_that_the_system_does_not_give_is_neither_damaged_nor_missing(mirror, tmp_path: Path) -> None:
    address = serve(mirror)
    download(FILES, tmp_path, mirrors=[address])
    mirror.asked.clear()
    path = tmp_path / "pair" / "two.gz"
    path.unlink()
    path.symlink_to(UNREADABLE)
    for offline in (True, False):
        with pytest.raises(UsageError, match=r"pair/two\.gz cannot be read: Input/output error\.$"):
            download(FILES, tmp_path, mirrors=[address], offline=offline)
    assert mirror.asked == []
    assert path.is_symlink()


def test_a_source_that_cannot_be_read_is_not_blamed_on_the_data_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, body in PACKED.items():
        (tmp_path / name).write_bytes(body)

    def copyfile(source: Path, _target: Path) -> None:
        raise OSError(errno.EIO, "Input/output error", str(source))

    monkeypatch.setattr("shutil.copyfile", copyfile)
    with pytest.raises(UsageError, match=r"one\.gz cannot be read: Input/output error"):
        copy_from(FILES, tmp_path, tmp_path / "root")


def test_offline_refuses(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"pair needs one\.gz, two\.gz in .*, but --offline forbids downloading"):
        download(FILES, tmp_path, offline=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("address", ["file:///etc/", "ftp://host/", "mnist.example.org/files", "https://"])
def test_a_mirror_is_a_web_address(tmp_path: Path, address: str) -> None:
    with pytest.raises(UsageError, match="--mirror must be an https:// or http:// address"):
        download(FILES, tmp_path, mirrors=[address])


def test_the_built_in_mirrors_are_several_and_encrypted() -> None:
    remotes = [entry.remote for entry in DATASETS.values() if entry.remote is not None]
    assert {remote.name for remote in remotes} >= {"mnist", "cifar10"}
    for remote in remotes:
        assert len(remote.mirrors) >= (1 if remote.name == "kmnist" else 2)
        assert all(address.startswith("https://") and address.endswith("/") for address in remote.mirrors)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(GantoolError, match="cannot be written: Not a directory; name another data root"):
        download(FILES, tmp_path / "file", mirrors=[NOWHERE])


def test_copying_takes_zipped_and_unzipped_files(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "one").write_bytes(CONTENT["one.gz"])
    (source / "two.gz").write_bytes(PACKED["two.gz"])
    (source / "one").chmod(0o400)
    assert copy_from(FILES, source, tmp_path / "root") == ["one.gz", "two.gz"]
    assert names(tmp_path / "root") == ["one", "two.gz"]
    assert (tmp_path / "root" / "pair" / "one").read_bytes() == CONTENT["one.gz"]
    assert (tmp_path / "root" / "pair" / "one").stat().st_mode & 0o200, "a copy can be replaced later"
    assert copy_from(FILES, source, tmp_path / "root") == []


def test_copying_replaces_a_damaged_file_under_the_other_name(tmp_path: Path) -> None:
    source, kept = tmp_path / "source", tmp_path / "root" / "pair"
    source.mkdir()
    kept.mkdir(parents=True)
    (kept / "one.gz").write_bytes(b"damaged")
    for name, body in CONTENT.items():
        (source / name.removesuffix(".gz")).write_bytes(body)
    copy_from(FILES, source, tmp_path / "root")
    assert names(tmp_path / "root") == ["one", "two"]


def test_copying_from_a_data_root(tmp_path: Path) -> None:
    (tmp_path / "old" / "pair").mkdir(parents=True)
    for name, body in PACKED.items():
        (tmp_path / "old" / "pair" / name).write_bytes(body)
    assert copy_from(FILES, tmp_path / "old", tmp_path / "new") == ["one.gz", "two.gz"]


def test_copying_checks_everything_before_it_copies_anything(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "one.gz").write_bytes(PACKED["one.gz"])
    with pytest.raises(UsageError, match=r"does not hold all files of pair: two\.gz missing"):
        copy_from(FILES, source, tmp_path / "root")
    (source / "two.gz").write_bytes(PACKED["one.gz"])
    with pytest.raises(UsageError, match=r"source/two\.gz is not the known file: expected 16000 bytes"):
        copy_from(FILES, source, tmp_path / "root")
    assert not (tmp_path / "root").exists()


def test_load_dataset_downloads_real_mnist_by_itself(
    mirror, mnist_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for file in MNIST_FILES.files:
        mirror.answers[f"/{file.name}"] = (mnist_root / "mnist" / file.name).read_bytes()
    here = replace(MNIST_FILES, mirrors=(NOWHERE, mirror.address))
    monkeypatch.setitem(DATASETS, "mnist", replace(DATASETS["mnist"], remote=here))
    with pytest.raises(UsageError, match="--offline forbids downloading"):
        load_dataset(DataConfig("mnist"), root=tmp_path, offline=True)
    assert len(load_dataset(DataConfig("mnist"), root=tmp_path).train) == 50_000
    assert "Downloading" in capsys.readouterr().err
    arrived = {path.name for path in (tmp_path / "mnist").iterdir()}
    assert arrived == {file.name for file in MNIST_FILES.files}
    mirror.asked.clear()
    load_dataset(DataConfig("mnist"), root=tmp_path)
    assert mirror.asked == []


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("variable", [("JPY_PARENT_PID", "1"), ("TERM", "dumb")])
def test_where_nothing_can_be_drawn_over_a_download_is_a_line_a_file(
    mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: tuple[str, str]
) -> None:
    monkeypatch.setenv(*variable)
    stream = Terminal()
    monkeypatch.setattr("sys.stderr", stream)
    download(FILES, tmp_path, mirrors=[serve(mirror)])
    plain = re.sub(r"\x1b\[[0-9;]*m", "", stream.getvalue())  # colours may stay
    assert plain.splitlines() == [f"Downloading {mirror.address}{name}" for name in PACKED]


def test_the_words_of_a_server_steer_no_terminal(mirror, tmp_path: Path) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(404, "gone\x1b[2J\x1b]0;title\x07")
        handler.end_headers()

    for file in MNIST_FILES.files:
        mirror.answers[f"/{file.name}"] = answer
    fetch = ["data", "fetch", "mnist", "--mirror", mirror.address, "--data-dir", str(tmp_path)]
    result = CliRunner().invoke(app, fetch)
    assert result.exit_code == 1
    assert r"HTTP 404 gone\x1b[2J\x1b]0;title\x07" in result.stderr
    assert not {"\x1b", "\x07"} & set(result.output)
