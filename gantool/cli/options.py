"""The options that several commands share, each once; `@command` spreads groups of them (dataclasses) out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gantool.cli.terminal import print_json
from gantool.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import torch

    from gantool.evaluation.array_files import ArrayFiles
    from gantool.evaluation.subject import Place

RUN_PANEL, ARRAYS_PANEL = "Score a run", "Score arrays"

JsonFlag = Annotated[
    bool,
    typer.Option("--json", help="Print one JSON object to stdout and nothing else there.", rich_help_panel="Common"),
]
DebugFlag = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.", rich_help_panel="Common")]
DataDir = Annotated[
    Path | None,
    typer.Option(
        help="Data root. Default: $GANTOOL_DATA_DIR, else the user's cache.", show_default=False, rich_help_panel="Data"
    ),
]
Offline = Annotated[bool, typer.Option("--offline", help="Never download.", rich_help_panel="Data")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.", rich_help_panel="Common")]
RunsDir = Annotated[
    Path,
    typer.Option("--out", "--runs-dir", help="The folder that holds the run directories.", rich_help_panel="Common"),
]
RunName = Annotated[
    str | None,
    typer.Argument(metavar="RUN", help="A run's number, name or folder. Default: the newest.", show_default=False),
]
Seed = Annotated[int, typer.Option(help="Draws the samples and random subsets.", rich_help_panel="Common")]
RunsOfScores = Annotated[
    Path,
    typer.Option("--runs-dir", "--out", help="The folder that holds the run directories.", rich_help_panel=RUN_PANEL),
]
Step = Annotated[
    int | None,
    typer.Option(help="The checkpoint's step. Default: the newest.", show_default=False, rich_help_panel=RUN_PANEL),
]
SplitName = Annotated[str, typer.Option(help="The rows to score: test or validation.", rich_help_panel=RUN_PANEL)]
ArrayPlace = Annotated[
    Path | None,
    typer.Option(
        "--array",
        help="Where the file that the run was trained on is now, if it has moved.",
        show_default=False,
        rich_help_panel=RUN_PANEL,
    ),
]
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


@dataclass(frozen=True)
class Output:
    """How the answer is given. `debug` is read by the command's guard."""

    json: JsonFlag = False
    debug: DebugFlag = False

    def give(self, answer: Mapping[str, Any], show: Callable[[], None]) -> None:
        """Prints the answer: one JSON object, or what `show` prints."""
        if self.json:
            print_json(dict(answer))
        else:
            show()


@dataclass(frozen=True)
class Where:
    """Where the data are, and where they are worked on."""

    data_dir: DataDir = None
    offline: Offline = False
    device: Device = "auto"

    def place(self, array: Path | None = None) -> Place:
        """The same, resolved. Raises UsageError where the device is not there."""
        from gantool.evaluation.subject import Place

        return Place(resolve_device(self.device), self.data_dir, self.offline, array)


@dataclass(frozen=True)
class Source:
    """What is measured: a run, or the user's files."""

    runs_dir: RunsOfScores = Path("runs")
    step: Step = None
    split: SplitName = "test"
    array: ArrayPlace = None
    samples: SamplesFile = None
    data: DataFile = None
    train_data: TrainFile = None
    dataset: DatasetName = None
    scale: Scale = None

    def files(self, of_run: Mapping[str, object], validation: Path | None = None) -> ArrayFiles | None:
        """The user's files, None where a run is measured. `of_run` are further options of a run, by their names.

        Raises UsageError where options of both are given.
        """
        from gantool.evaluation.array_files import ArrayFiles

        of_run = {**of_run, "--step": self.step, "--array": self.array}
        of_arrays = {
            "--data": self.data,
            "--validation": validation,
            "--train-data": self.train_data,
            "--dataset": self.dataset,
            "--scale": self.scale,
        }
        misplaced = [name for name, value in (of_run if self.samples else of_arrays).items() if value is not None]
        if misplaced and self.samples:
            raise UsageError(f"{misplaced[0]} belongs to a run, and --samples scores an array: leave one of them out.")
        if misplaced:
            raise UsageError(
                f"{misplaced[0]} needs --samples FILE, the samples to score; a run is scored by its own data."
            )
        if self.samples is None:
            return None
        return ArrayFiles(self.samples, self.data, validation, self.train_data, self.dataset, self.scale)


def resolve_device(name: str) -> torch.device:
    """`auto`, `cpu`, `cuda` or `cuda:N`; UsageError where it is not there. `auto` prefers CUDA."""
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageError(f"--device must be auto, cpu, cuda or cuda:N, but is {name!r}.") from error
    if device.type not in ("cpu", "cuda"):
        raise UsageError(f"--device must be auto, cpu, cuda or cuda:N, but is {name!r}.")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UsageError(
            f"--device {name} is not on this machine: torch sees {torch.cuda.device_count()} CUDA devices."
        )
    return device
