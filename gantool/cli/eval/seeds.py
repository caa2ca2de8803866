"""Several runs of one configuration under `gantool eval parzen`: a line a run, and the spread over their seeds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gantool.cli.options import RUN_PANEL, Source
from gantool.cli.terminal import note, say, show, warn
from gantool.errors import UsageError
from gantool.tables import Table

if TYPE_CHECKING:
    from gantool.evaluation.seeds import SeedScores
    from gantool.runs import Run

RunNames = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[RUN]...",
        help="A run's number, name or folder; several give their mean over training seeds. Default: the newest.",
        show_default=False,
    ),
]
AcrossSeeds = Annotated[
    bool,
    typer.Option(
        "--seeds",
        help="Also score the folder's other runs that differ from RUN in the training seed alone.",
        rich_help_panel=RUN_PANEL,
    ),
]
WithReplicas = Annotated[
    bool,
    typer.Option(
        "--replicas",
        help="Score all runs that were trained together with RUN by `gantool train --replicas`.",
        rich_help_panel=RUN_PANEL,
    ),
]


def find_runs(names: list[str], source: Source, *, seeds: bool, replicas: bool) -> tuple[list[Run], list[str]]:
    """The runs called `names` (none: the newest), and notes on others that were left out.

    With `seeds` those of its folder with other seeds are among them, with `replicas` those that were trained with it.
    """
    from gantool.evaluation.seeds import same_but_for_the_seed
    from gantool.runs import find_run
    from gantool.runs.replicas import find_replicas

    if seeds and replicas:
        raise UsageError("--seeds and --replicas exclude each other: both say which runs are scored with RUN.")
    if (seeds or replicas) and len(names) > 1:
        option = "--seeds" if seeds else "--replicas"
        raise UsageError(f"{option} finds the other runs by itself: give it one RUN, or name the runs without it.")
    runs = [find_run(name, source.runs_dir) for name in names] or [find_run(None, source.runs_dir)]
    if replicas:
        return find_replicas(runs[0]), []
    if seeds:
        return same_but_for_the_seed(runs[0], runs[0].path.parent, source.step)
    return runs, []


def print_seeds(found: SeedScores) -> None:
    """Prints a line a run, the mean with its own ±, and what must be said beside them."""

    first = found.records[0]
    title = f"Parzen-window log-likelihood of {first['test_size']:,} rows of {first['dataset']} ({first['split']})"
    say(f"{title} at {len(found.records)} training seeds")
    say()
    lines = []
    for seed, record in zip(found.seeds, found.records, strict=True):
        score, error = f"{record['log_likelihood']:,.1f}", _error(record["standard_error"])
        cells = (Path(record["run"]).name, f"{seed}", f"{record['step']:,}", score, error, f"{record['sigma']:.4g}")
        lines.append((*cells, f"{record['num_samples']:,}", "across rows"))
    spread = found.standard_error_across_seeds
    across = "one seed: no spread" if spread is None else "across seeds"
    lines.append(("mean", "", "", f"{found.mean:,.1f}", _error(spread), "", f"{first['num_samples']:,}", across))
    headings = ("run", "seed", "step", "nats", "±", "σ", "N", "± is")
    show(Table(headings, tuple(lines), strong=len(lines) - 1))
    for sentence in found.notes:
        note(sentence)
    for sentence in dict.fromkeys(said for record in found.records for said in record["warnings"]):
        warn(sentence)


def _error(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"
