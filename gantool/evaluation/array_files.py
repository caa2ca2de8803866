"""The user's files that one evaluation takes: read, and held against each other, before anything is measured."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gantool.data.units import check_scale
from gantool.errors import UsageError
from gantool.evaluation.arrays import Rows, load_rows, require_alike


@dataclass(frozen=True)
class ArrayFiles:
    """The user's files: `samples` are measured by `data`, or by the registered `dataset`.

    Bytes in files are divided by `scale` (None: 255).
    """

    samples: Path
    data: Path | None = None
    validation: Path | None = None
    train: Path | None = None
    dataset: str | None = None
    scale: float | None = None


@dataclass(frozen=True)
class Loaded:
    """What the files hold; `data` is None where a registered data set takes its place."""

    samples: Rows
    data: Rows | None
    validation: Rows | None
    train: Rows | None

    @property
    def rows(self) -> tuple[Rows, ...]:
        """All that were read, the samples first."""
        return tuple(rows for rows in (self.samples, self.data, self.validation, self.train) if rows is not None)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What looks wrong with any of them."""
        return tuple(warning for rows in self.rows for warning in rows.warnings)


def load_files(files: ArrayFiles, split: str) -> Loaded:
    """Reads the files. Raises UsageError where both or neither of --data and --dataset are given, where --data is given
    beside another `split` than test, where files do not match, or where a scale is given and none of them holds bytes.
    """
    check_scale(files.scale, "--scale")
    if (files.data is None) == (files.dataset is None):
        raise UsageError("--samples needs real rows to compare with: --data FILE, or --dataset NAME, and not both.")
    if files.dataset is not None and (files.validation or files.train):
        given = "--validation" if files.validation else "--train-data"
        raise UsageError(f"--dataset has validation and training rows of its own: leave out {given}.")
    if files.data is not None and split != "test":
        raise UsageError("--split chooses a part of a registered data set: with --data, give the rows themselves.")
    paths = {"--data": files.data, "--validation": files.validation, "--train-data": files.train}
    samples = load_rows(files.samples, "--samples", files.scale)
    data, validation, train = (load_rows(path, flag, files.scale) if path else None for flag, path in paths.items())
    loaded = Loaded(samples, data, validation, train)
    if data is not None:
        for rows in loaded.rows:
            require_alike(rows, data)
    if files.scale is not None and all(rows.scaling == "as given" for rows in loaded.rows):
        raise UsageError("--scale says what bytes are divided by, but none of the files holds bytes: leave it out.")
    return loaded
