"""What every measure asks first: whose samples, scored by what."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gantool.cli.terminal import tell, warn
from gantool.errors import UsageError

if TYPE_CHECKING:
    from gantool.runs import Run

RUN_PANEL, ARRAYS_PANEL = "Score a run", "Score arrays"

RunName = Annotated[
    str | None,
    typer.Argument(metavar="RUN", help="A run's number, name or folder. Default: the newest.", show_default=False),
]
RunsFolder = Annotated[
    Path,
    typer.Option("--runs-dir", "--out", help="The folder that holds the run directories.", rich_help_panel=RUN_PANEL),
]
Step = Annotated[
    int | None,
    typer.Option(help="The checkpoint's step. Default: the newest.", show_default=False, rich_help_panel=RUN_PANEL),
]
SplitName = Annotated[str, typer.Option(help="The rows to score: test or validation.", rich_help_panel=RUN_PANEL)]
SamplesFile = Annotated[
    Path | None,
    typer.Option(
        help="Samples to score: .npy, .npz or .safetensors, [N, D] or images, or a folder of PNG or JPEG images or of "
        "one subfolder a class.",
        show_default=False,
        rich_help_panel=ARRAYS_PANEL,
    ),
]
DataFile = Annotated[
    Path | None, typer.Option(help="The rows that score them.", show_default=False, rich_help_panel=ARRAYS_PANEL)
]
ValidationFile = Annotated[
    Path | None,
    typer.Option(help="Other rows, that choose sigma.", show_default=False, rich_help_panel=ARRAYS_PANEL),
]
TrainFile = Annotated[
    Path | None,
    typer.Option(help="Training rows, for the references.", show_default=False, rich_help_panel=ARRAYS_PANEL),
]
DatasetName = Annotated[
    str | None,
    typer.Option(help="Instead of --data: a registered data set.", show_default=False, rich_help_panel=ARRAYS_PANEL),
]
Scale = Annotated[
    float | None,
    typer.Option(
        help="What bytes in files are divided by, their full scale. Default: 255.",
        show_default=False,
        rich_help_panel=ARRAYS_PANEL,
    ),
]
Seed = Annotated[int, typer.Option(help="Draws the samples and random subsets.", rich_help_panel="Common")]
ImplName = Annotated[str, typer.Option(help="auto, native or reference.", rich_help_panel="Common")]


ArrayPlace = Annotated[
    Path | None,
    typer.Option(
        "--array",
        help="Where the file that the run was trained on is now, if it has moved.",
        show_default=False,
        rich_help_panel=RUN_PANEL,
    ),
]


def keep(run: Run, result: dict[str, Any]) -> None:
    """Records a result that was printed, and says where, or why it could not."""
    from gantool.evaluation.recording import record

    failures = record(run, result)
    for sentence in failures:
        warn(sentence)
    if not failures:
        tell(f"Recorded in {run.evaluations}.")


def check_source(samples: Path | None, of_run: dict[str, object], of_arrays: dict[str, object]) -> None:
    """A run is scored, or arrays are: UsageError where options of both are given. Both map an option to its value."""
    misplaced = [name for name, value in (of_run if samples else of_arrays).items() if value is not None]
    if misplaced and samples:
        raise UsageError(f"{misplaced[0]} belongs to a run, and --samples scores an array: leave one of them out.")
    if misplaced:
        raise UsageError(f"{misplaced[0]} needs --samples FILE, the samples to score; a run is scored by its own data.")
