"""Brings a data set's files under the data root: from mirrors on the web, or from a folder the user has.

A file is written as `.part`, its content checked (size and SHA-256), and only then renamed: a name never stands for
less than the whole file.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from gantool.data.remote import RemoteFile, RemoteSet
from gantool.errors import GantoolError, UnreadableError, UsageError
from gantool.progress import screen_of

if TYPE_CHECKING:
    from rich.progress import Progress

_TIMEOUT_SECONDS = 30
_CHUNK = 1 << 16
_SLACK = 1 << 20  # what compression and chunking may add to a file's content


def download(
    remote: RemoteSet, root: Path, *, mirrors: Sequence[str] | None = None, offline: bool = False
) -> list[str]:
    """Downloads what is missing or damaged under the data root `root` → the official names of the files that came.

    `mirrors` replaces the data set's own list; each is tried in turn for each file. Plain http is taken from that
    explicit list alone; the SHA-256 guards either way. Progress goes to stderr.

    Raises UsageError: `offline` while a file is needed, or a mirror that is not an http(s) address. Raises
    GantoolError: no mirror gave a file (each one's failure is named), or the folder cannot be written.
    """
    folder = remote.folder(root)
    wanted = [file for file in remote.files if not _is_good(file, folder)]
    if not wanted:
        return []
    if offline:
        raise UsageError(
            f"{remote.name} needs {', '.join(file.name for file in wanted)} in {folder}, but --offline forbids "
            f"downloading; leave it out, or copy the files with `gantool data fetch {remote.name} --from FOLDER`."
        )
    addresses = [_checked_mirror(mirror) for mirror in mirrors or remote.mirrors]
    with _writing(folder), _progress() as progress:
        for file in wanted:
            good = _download_file(file, folder, addresses, progress, remote.name)
            addresses.sort(key=lambda mirror: mirror != good)  # a mirror that is down is not waited for again
    return [file.name for file in wanted]


def copy_from(remote: RemoteSet, source: Path, root: Path) -> list[str]:
    """Copies the files of `remote` from the folder `source`, or its subfolder of the set's name → the names copied.

    All are checked before any is copied; those that are already good under the data root `root` are left alone.
    Raises UsageError: a file is missing in `source` or is not the known one. Raises GantoolError: the data root cannot
    be written.
    """
    folder = remote.folder(root)
    wanted = [file for file in remote.files if not _is_good(file, folder)]
    found = [(file, file.find(source) or file.find(source / remote.name)) for file in wanted]
    unpacked = [path for file, path in found if path is None for path in _unpacked(file, source, remote.name)]
    if unpacked:  # of an archive's own files nothing is known, and whoever loads them says so
        return _copy(unpacked, folder / unpacked[0].parent.name)
    if absent := [file.name for file, path in found if path is None]:
        raise UsageError(f"{source} does not hold all files of {remote.name}: {', '.join(absent)} missing.")
    present = [(file, path) for file, path in found if path is not None]
    for file, path in present:
        file.verify(path)
    with _writing(folder):
        for file, path in present:
            with _part(folder / path.name) as part:
                shutil.copyfile(path, part)
                _install(part, folder / path.name, file)
    return [file.name for file in wanted]


def _unpacked(file: RemoteFile, source: Path, name: str) -> list[Path]:
    return file.find_unpacked(source / name) or file.find_unpacked(source)


def _copy(paths: list[Path], folder: Path) -> list[str]:
    """Copies files as they are → their names."""
    with _writing(folder):
        for path in paths:
            with _part(folder / path.name) as part:
                shutil.copyfile(path, part)
                part.replace(folder / path.name)
    return [path.name for path in paths]


def _is_good(file: RemoteFile, folder: Path) -> bool:
    path = file.find(folder)
    if path is None:
        return False
    try:
        file.verify(path)
    except UnreadableError:
        raise
    except UsageError:  # damaged: exactly what fetching replaces
        return False
    return True


def _checked_mirror(mirror: str) -> str:
    address = urlsplit(mirror)
    if address.scheme not in ("http", "https") or not address.netloc:
        raise UsageError(f"--mirror must be an https:// or http:// address of a folder, but is {mirror!r}.")
    return mirror if mirror.endswith("/") else mirror + "/"


def _download_file(file: RemoteFile, folder: Path, mirrors: Sequence[str], progress: Progress, set_name: str) -> str:
    """Tries each mirror in turn → the one that gave the file."""
    import requests

    failures = []
    for mirror in mirrors:
        url = mirror + file.name
        progress.console.print(f"Downloading {url}", soft_wrap=True, markup=False)
        with _part(folder / file.name) as part:
            try:
                _receive(url, part, file, progress)
                file.verify(part)
            except requests.RequestException as error:
                failures.append(f"{url}: {_reason(error)}")
            except UsageError as error:
                failures.append(f"{url}: what came {str(error).removeprefix(f'{part} ').rstrip('.')}")
            else:
                _install(part, folder / file.name, file)
                return mirror
    raise GantoolError(
        f"{file.name} could not be downloaded ({'; '.join(failures)}); check the connection, name another mirror with "
        f"`gantool data fetch {set_name} --mirror URL`, or copy the files with `--from FOLDER`."
    )


class _Meter:
    """What pooch calls its progress bar: shows the bytes received, and stops a server that sends without end."""

    def __init__(self, progress: Progress, file: RemoteFile) -> None:
        self.total = 0
        self._received = 0
        self._progress = progress
        self._task = progress.add_task(file.name, total=None)
        self._limit = file.size + _SLACK

    def update(self, count: int) -> None:
        self._received += count
        if self._received > self._limit:
            raise UsageError(f"is longer than the known file: more than {self._limit} bytes.")
        self._progress.update(self._task, completed=self._received, total=self.total or None)

    def reset(self) -> None:
        self._received = 0

    def close(self) -> None:
        self._progress.remove_task(self._task)


def _receive(url: str, part: Path, file: RemoteFile, progress: Progress) -> None:
    import pooch

    meter = _Meter(progress, file)
    try:
        pooch.HTTPDownloader(progressbar=meter, chunk_size=_CHUNK, timeout=_TIMEOUT_SECONDS)(url, str(part), None)
    except BaseException:
        meter.close()
        raise


def _reason(error: Exception) -> str:
    """A few words for a failed request, instead of the nested representation that requests gives."""
    import requests

    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"HTTP {error.response.status_code} {error.response.reason}"
    if isinstance(error, requests.Timeout):
        return f"no answer within {_TIMEOUT_SECONDS} s"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection dropped mid-way"
    root: BaseException = error
    while (deeper := root.__cause__ or root.__context__) is not None:
        root = deeper
    return (isinstance(root, OSError) and root.strerror) or str(root) or type(root).__name__


@contextmanager
def _part(target: Path) -> Iterator[Path]:
    """Where to write until `target` is whole; gone afterwards unless renamed. One a process: two may fetch at once."""
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)


def _install(part: Path, target: Path, file: RemoteFile) -> None:
    part.replace(target)
    other = file.find(target.parent)
    if other is not None and other != target:  # a damaged file under the preferred name would be read instead
        other.unlink()


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        if error.filename and not Path(error.filename).is_relative_to(folder):  # a file that was to be copied
            raise UnreadableError(f"{error.filename} cannot be read: {error.strerror or error}.") from error
        raise GantoolError(
            f"{folder} cannot be written: {error.strerror or error}; name another data root with --data-dir."
        ) from error


def _progress() -> Progress:
    """Bars on a terminal; elsewhere, as in a notebook's shell, the lines that are printed to its console, alone."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    console = Console(stderr=True, highlight=False)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    return Progress(*columns, console=console, transient=True, disable=screen_of(sys.stderr) != "live")
