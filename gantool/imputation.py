"""Missing values in a table of numbers: a model of all conditionals, trained on it, beside the usual imputers."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gantool.config import RunConfig
from gantool.config.sources import apply_settings, build_config, preset_text, read_tree
from gantool.data import Dataset, Split
from gantool.data.formats.numeric_csv import NumericTable
from gantool.errors import UsageError
from gantool.evaluation.inpainting.score import Filling, filling
from gantool.isolation import own_modes
from gantool.progress import Progress, silent
from gantool.runs import Run
from gantool.sampling import complete
from gantool.seeds import check_seed, derive_seed
from gantool.training.record.member import Silent
from gantool.training.record.metrics import Record
from gantool.training.session import start_run

LEAST_ROWS = 20
_TRAIN_SHARE = 0.8


@dataclass(frozen=True)
class TableSettings:
    """`share` of the known values of test rows are hidden to score by; `steps` is the length of the training."""

    draws: int = 10
    share: float = 0.2
    seed: int = 0
    steps: int = 3_000

    def __post_init__(self) -> None:
        if self.draws < 2:
            raise UsageError(f"--draws must be 2 or more, since their spread is scored, but is {self.draws}.")
        if not 0.0 < self.share < 1.0:
            raise UsageError(f"--mask random:SHARE must be between 0 and 1 for a table, but is {self.share:g}.")
        if self.steps < 1:
            raise UsageError(f"--steps must be 1 or more, but is {self.steps}.")
        check_seed(self.seed)


@dataclass(frozen=True)
class TableResult:
    """Root mean square errors over the hidden values of the test rows, with each column's range in the training rows
    as its unit, as GAIN counts it (Yoon et al. 2018); `missing` values are missing in the file itself."""

    source: str
    rows: int
    columns: int
    missing: int
    train_rows: int
    test_rows: int
    share: float
    draws: int
    steps: int
    fillings: tuple[Filling, ...]
    run: str
    seed: int
    device: str
    impl: str
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """The object that `gantool inpaint --json` prints."""
        return {"measure": "inpainting of a table", **asdict(self)}


class _Reporting(Silent):
    def __init__(self, progress: Progress, total: int) -> None:
        self.progress, self.total = progress, total

    def on_record(self, record: Record) -> None:
        self.progress("training", record.step, self.total)


@own_modes()
def fill_table(
    table: NumericTable, settings: TableSettings, runs_dir: Path, device: torch.device, progress: Progress = silent
) -> tuple[TableResult, NDArray[np.float64]]:
    """Trains on four fifths of the rows, scores on the others, and fills in all that is missing: the scores, and the
    filled-in rows [S, N, D] in the table's units.

    Every method sees the training rows alone, with their own missing values. Raises UsageError for a table with too few
    rows or columns, and for a column without a value among the training rows.
    """
    started = time.monotonic()
    train, test = _dealt(table, settings.seed)
    low, span = _ranges(table, train)
    scaled = torch.from_numpy(((table.values - low) / span).astype(np.float32))
    hidden = _hidden(scaled[test], settings)
    run = _trained(table, scaled[train], settings, runs_dir, device, progress)
    generator, noise = run.load_generator(device), run.config.noise

    def drawn(rows: Tensor) -> Tensor:
        return complete(generator, noise, rows, ~rows.isnan(), settings.draws, seed=settings.seed, device=device)

    holed = scaled[test].masked_fill(hidden, torch.nan)
    truth = scaled[test].nan_to_num()
    fillings = [filling("this model", drawn(holed), truth, hidden)]
    for name, impute in _rivals(scaled[train].numpy(), settings.seed).items():
        progress(name, 0, 0)
        found = torch.from_numpy(impute(holed.numpy()))
        fillings.append(filling(name, found[None], truth, hidden))
    completed = drawn(scaled).double().numpy() * span + low
    known = ~np.isnan(table.values)
    completed = np.where(known, table.values, completed)
    result = TableResult(
        source=str(table.path),
        rows=len(table.values),
        columns=table.values.shape[1],
        missing=int((~known).sum()),
        train_rows=len(train),
        test_rows=len(test),
        share=settings.share,
        draws=settings.draws,
        steps=settings.steps,
        fillings=tuple(fillings),
        run=str(run.path),
        seed=settings.seed,
        device=str(device),
        impl=f"torch (network in float32, scores in float64); scikit-learn {version('scikit-learn')}",
        seconds=time.monotonic() - started,
    )
    return result, completed


def _dealt(table: NumericTable, seed: int) -> tuple[Tensor, Tensor]:
    """The training and the test rows, by number."""
    count, width = table.values.shape
    if count < LEAST_ROWS or width < 2:
        raise UsageError(
            f"{table.path} has {count} rows of {width} columns: a model of it needs {LEAST_ROWS} rows and 2 columns."
        )
    rng = torch.Generator().manual_seed(derive_seed(seed, "rows of a table"))
    order = torch.randperm(count, generator=rng)
    cut = int(_TRAIN_SHARE * count)
    return order[:cut], order[cut:]


def _ranges(table: NumericTable, train: Tensor) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rows = table.values[train.numpy()]
    empty = np.flatnonzero(np.isnan(rows).all(axis=0))
    if len(empty):
        name = table.names[empty[0]] if table.names else str(empty[0] + 1)
        raise UsageError(f"{table.path}: column {name} has no value among the {len(rows)} training rows.")
    low, high = np.nanmin(rows, axis=0), np.nanmax(rows, axis=0)
    return low, np.where(high > low, high - low, 1.0)


def _hidden(rows: Tensor, settings: TableSettings) -> Tensor:
    """Which known values of the test rows are hidden, one at least: [N, D] bool."""
    rng = torch.Generator().manual_seed(derive_seed(settings.seed, "values to hide"))
    ranks = torch.rand(rows.shape, generator=rng)
    known = ~rows.isnan()
    hidden = (ranks < settings.share) & known
    if not bool(hidden.any()):
        hidden = (ranks == ranks[known].min()) & known
    return hidden


def _trained(
    table: NumericTable, rows: Tensor, settings: TableSettings, runs_dir: Path, device: torch.device, progress: Progress
) -> Run:
    dataset = Dataset(
        name="array",
        train=Split(rows),
        validation=Split(rows[:0]),
        test=Split(rows[:0]),
        shape=(rows.shape[1],),
        divisor=1.0,
        source=str(table.path),
    )
    config = _configured(table.path, len(rows), settings)
    outcome = start_run(config, dataset, device, runs_dir, lambda run, total: _Reporting(progress, total))
    if outcome.signal_number is not None:
        raise KeyboardInterrupt
    return outcome.run


def _configured(path: Path, rows: int, settings: TableSettings) -> RunConfig:
    """The small in-painting pair, on this table."""
    tree = read_tree(preset_text("digits-inpainting"), "the preset digits-inpainting")
    length = settings.steps
    values = {
        "name": "table",
        "data.name": "array",
        "data.path": str(path),
        "generator.layers.2.bias": 0.0,
        "training.batch_size": min(100, rows),
        "training.steps": length,
        "training.sample_every": length,
        "training.checkpoint_every": length,
        "training.watch_every": 0,
        "training.seed": settings.seed,
    }
    apply_settings(tree, [f"{key}={value}" for key, value in values.items()])
    return build_config(tree)


def _rivals(train: NDArray[np.float32], seed: int) -> dict[str, Callable[[NDArray[np.float32]], NDArray[np.float64]]]:
    """Imputers that have seen the training rows: each fills in rows with NaN."""
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer

    imputers = {
        "the training mean": SimpleImputer(keep_empty_features=True),
        "5 nearest rows": KNNImputer(n_neighbors=5, keep_empty_features=True),
        "iterative imputer": IterativeImputer(random_state=seed, max_iter=20, keep_empty_features=True),
    }
    return {name: imputer.fit(train).transform for name, imputer in imputers.items()}
