"""What every measure asks first: whose samples, scored by what."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gantool.cli.shell import print_json
from gantool.cli.terminal import tell, warn
from gantool.errors import UsageError

if TYPE_CHECKING:
    from gantool.evaluation.array_files import ArrayFiles
    from gantool.evaluation.subject import Place
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


@dataclass(frozen=True)
class Source:
    """What is measured, as it was typed: a run, or the user's files."""

    runs_dir: Path
    run: str | None
    step: int | None
    split: str
    files: ArrayFiles | None
    place: Place


def measured(name: str, source: Source, settings: Any, show: Callable[[Any], None], *, as_json: bool) -> None:
    """Measures, prints, and records a run's result in the run."""
    from gantool.cli.stages import shown_progress
    from gantool.evaluation.measures import measure
    from gantool.evaluation.subject import subject_of_files, subject_of_run
    from gantool.runs import find_run

    found = None if source.files else find_run(source.run, source.runs_dir)
    with shown_progress() as progress:
        if found is not None:
            subject = subject_of_run(found, source.place, source.split, source.step)
        else:
            assert source.files is not None  # there is a run, or there are files
            subject = subject_of_files(source.files, source.place, source.split)
        result = measure(name, subject, settings, progress)
    shown(result, show, as_json=as_json)
    if found is not None:
        _keep(found, result.to_dict())


def shown(result: Any, show: Callable[[Any], None], *, as_json: bool) -> None:
    """Prints a result, as one JSON object or as `show` does."""
    if as_json:
        print_json(result.to_dict())
    else:
        show(result)


def _keep(run: Run, result: dict[str, Any]) -> None:
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
