"""`gantool sample`: pictures and arrays out of a run's generator."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from gantool.cli.command import command
from gantool.cli.options import Output, Where, resolve_device
from gantool.cli.terminal import note, say

_OUTPUT, _COMMON = "Output", "Common"


def _file(help_text: str) -> Any:
    return typer.Option(metavar="FILE", help=help_text, show_default=False, rich_help_panel=_OUTPUT)


RunName = Annotated[
    str | None,
    typer.Argument(metavar="RUN", help="A run's number, name or folder. Default: the newest.", show_default=False),
]
Count = Annotated[int, typer.Option("--n", help="How many samples.", rich_help_panel=_COMMON)]
Seed = Annotated[int, typer.Option(help="Draws z.", rich_help_panel=_COMMON)]
Step = Annotated[
    int | None,
    typer.Option(help="The checkpoint's step. Default: the newest.", show_default=False, rich_help_panel=_COMMON),
]
RunsFolder = Annotated[
    Path, typer.Option("--runs-dir", help="The folder that holds the run directories.", rich_help_panel=_COMMON)
]
ArrayPlace = Annotated[
    Path | None, typer.Option("--array", help="Where the file that the run was trained on is now.", show_default=False)
]
GridFile = Annotated[Path | None, _file("A PNG sheet of the samples, the first 1,024.")]
ArrayFile = Annotated[Path | None, _file("The samples as an array: .npz (samples, seed, shape) or .npy.")]
InterpolateFile = Annotated[
    Path | None, _file("A PNG sheet of interpolations, each row between two z (the paper's Figure 3).")
]
NeighboursFile = Annotated[
    Path | None,
    _file(
        "A PNG sheet of the first 60 samples, the nearest training image framed beside each (the paper's Figure 2); "
        "distances are of all samples."
    ),
]
WalkFile = Annotated[
    Path | None, _file("A GIF that loops: images on closed walks through a few z (as many rows as columns).")
]
Label = Annotated[
    int | None,
    typer.Option(
        "--class",
        help="Samples of this class alone.",
        show_default=False,
        rich_help_panel=_COMMON,
    ),
]
Columns = Annotated[
    int | None,
    typer.Option(
        help="Images in a row. Default: a square grid, 10 steps of interpolation, 6 pairs of neighbours, 4 for a walk.",
        show_default=False,
        rich_help_panel=_OUTPUT,
    ),
]
Rows = Annotated[int, typer.Option(help="Rows of the interpolation sheet.", rich_help_panel=_OUTPUT)]


@command
def sample(
    where: Where,
    output: Output,
    run: RunName = None,
    n: Count = 64,
    label: Label = None,
    grid: GridFile = None,
    out: ArrayFile = None,
    interpolate: InterpolateFile = None,
    neighbours: NeighboursFile = None,
    walk: WalkFile = None,
    columns: Columns = None,
    rows: Rows = 8,
    seed: Seed = 0,
    step: Step = None,
    runs_dir: RunsFolder = Path("runs"),
    array: ArrayPlace = None,
) -> None:
    """Draw samples from a run: a sheet, an array, interpolations, a walk, or the nearest training images.

    Without a file to write, a sheet goes into the run's own samples folder. Values are in the data's units.

    Example: gantool sample --n 100 --grid samples.png

    Example: gantool sample 3 --n 10000 --out samples.npz --interpolate strip.png --neighbours nearest.png

    Example: gantool sample --walk walk.gif

    Example: gantool sample --class 7 --grid sevens.png (of a conditional run; without --class a row a class)
    """
    started = time.monotonic()
    from gantool.cli.stages import shown_progress
    from gantool.pictures.gallery import SampleRequest, draw
    from gantool.runs import find_run

    found = find_run(run, runs_dir)
    request = SampleRequest(
        count=n,
        seed=seed,
        step=step,
        grid=grid,
        out=out,
        interpolate=interpolate,
        neighbours=neighbours,
        walk=walk,
        columns=columns,
        rows=rows,
        label=label,
    )
    with shown_progress() as progress:
        report = draw(
            found,
            request,
            resolve_device(where.device),
            data_root=where.data_dir,
            offline=where.offline,
            array=array,
            progress=progress,
        )
    report["seconds"] = time.monotonic() - started
    output.give(report, lambda: _render(report))


def _render(report: dict[str, Any]) -> None:
    say(f"{report['num_samples']:,} samples of {report['run']} at step {report['step']:,}, seed {report['seed']}")
    for name, what in (
        ("grid", "sheet"),
        ("out", "array"),
        ("interpolate", "interpolations"),
        ("neighbours", "nearest training images"),
        ("walk", "walk"),
    ):
        if report[name]:
            say(f"  {what}: {report[name]}")
    nearest = report["nearest_training"]
    if nearest:
        say(
            f"  distance to the nearest training image: {nearest['minimum']:.3g} to {nearest['maximum']:.3g}, median "
            f"{nearest['median']:.3g}; 0 would be a copy"
        )
    for sentence in report["notes"]:
        note(sentence)
