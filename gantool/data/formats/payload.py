"""A file's content, gzip or plain, read without trusting it."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from gantool.errors import UnreadableError, UsageError

_GZIP_MAGIC = b"\x1f\x8b"


@contextmanager
def open_payload(path: Path) -> Iterator[BinaryIO]:
    """Opens the content of `path`: decompressed as it is read where the file starts as gzip does, else as it is.

    Only what is read is decompressed, so a caller that reads at most n bytes is safe from a gzip bomb. The CRC of a
    gzip file is checked when its end is read: ask for one byte more than expected.

    Raises UsageError, also for what goes wrong while the body of the `with` reads: the file is missing, the gzip stream
    is cut short, damaged, or followed by something else; UnreadableError where the system does not give the file.
    """
    try:
        with path.open("rb") as raw:
            compressed = raw.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
            raw.seek(0)
            if not compressed:
                yield raw
                return
            with gzip.GzipFile(fileobj=raw) as stream:
                yield cast(BinaryIO, stream)
    except EOFError as error:
        raise UsageError(f"{path} is cut short: its gzip stream has no end.") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise UsageError(f"{path} is damaged: expected an intact gzip stream, but {error}.") from error
    except FileNotFoundError as error:
        raise UsageError(f"{path} does not exist.") from error
    except OSError as error:
        raise UnreadableError(f"{path} cannot be read: {error.strerror or error}.") from error
