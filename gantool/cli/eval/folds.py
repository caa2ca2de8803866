"""The folds of a data set under `gantool eval parzen --folds`: a line a fold, and the spread across them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from gantool.cli.options import RUN_PANEL
from gantool.cli.terminal import note, say, show, warn
from gantool.tables import Table

if TYPE_CHECKING:
    from gantool.evaluation.parzen.folds import FoldScores

AcrossFolds = Annotated[
    bool,
    typer.Option(
        "--folds",
        help="Score a run on tfd by each of its five folds, σ chosen a fold, and say the spread across them.",
        rich_help_panel=RUN_PANEL,
    ),
]


def print_folds(found: FoldScores) -> None:
    """Prints a line a fold, the mean with its ±, and what must be said beside them."""
    first = found.records[0]
    say(f"Parzen-window log-likelihood of {first['dataset']} ({first['split']}) over {len(found.records)} folds")
    say()
    lines = []
    for record in found.records:
        score, error = f"{record['log_likelihood']:,.1f}", f"{record['standard_error']:.1f}"
        rows, count = f"{record['test_size']:,}", f"{record['num_samples']:,}"
        lines.append((f"{record['fold']}", rows, score, error, f"{record['sigma']:.4g}", count, "across rows"))
    spread = f"{found.standard_error_across_folds:.1f}"
    lines.append(("mean", "", f"{found.mean:,.1f}", spread, "", "", "across folds"))
    show(Table(("fold", "rows", "nats", "±", "σ", "N", "± is"), tuple(lines), strong=len(lines) - 1))
    note("The paper's ± for TFD is across folds, whose test images differ; it says nothing of the training seed.")
    for sentence in dict.fromkeys(said for record in found.records for said in record["warnings"]):
        warn(sentence)
