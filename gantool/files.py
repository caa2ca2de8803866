"""Writing files so that a reader finds either the old one or the complete new one. Standard library only."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Gives a temporary path beside `path`; on success it takes `path`'s place at once, on failure it is removed.

    >>> with replacing(Path("grid.png")) as partial:
    ...     image.save(partial, format="PNG")
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_json(path: Path, payload: Any) -> None:
    """Writes indented JSON, atomically. ValueError for NaN: JSON has no word for it."""
    with replacing(path) as partial:
        partial.write_text(json.dumps(payload, indent=2, allow_nan=False) + "\n", encoding="utf-8")
