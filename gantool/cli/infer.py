"""`gantool infer`: from images back to z, by an encoder that was trained in the game or by a search."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gantool.cli.command import command
from gantool.cli.options import Output, RunName, Where
from gantool.cli.terminal import note, say, show, tell, warn

if TYPE_CHECKING:
    from gantool.evaluation.inference.score import InferenceResult

_FILES = "Output"

RunsFolder = Annotated[
    Path, typer.Option("--runs-dir", help="The folder that holds the run directories.", rich_help_panel="Common")
]
Step = Annotated[
    int | None,
    typer.Option(help="The checkpoint's step. Default: the newest.", show_default=False, rich_help_panel="Common"),
]
DataFile = Annotated[
    Path | None,
    typer.Option(help="Your images or rows, as after `gantool eval parzen --samples`.", show_default="the run's data"),
]
SplitName = Annotated[str, typer.Option(help="Which rows of the run's data: test or validation.")]
MethodName = Annotated[str, typer.Option(help="network (the run's encoder) or optimise (a search, slow).")]
SampleCount = Annotated[int, typer.Option("--num-samples", "--n", help="Rows and samples to encode, at most.")]
Seed = Annotated[int, typer.Option(help="Draws the rows, the samples, and the search's beginnings.")]


def file_option(help_text: str) -> Any:
    """An option that names a file to write."""
    return typer.Option(metavar="FILE", help=help_text, show_default=False, rich_help_panel=_FILES)


@command
def infer(
    where: Where,
    output: Output,
    run: RunName = None,
    data: DataFile = None,
    split: SplitName = "test",
    method: MethodName = "network",
    num_samples: SampleCount = 1_000,
    sheet: Annotated[Path | None, file_option("A PNG: each row beside its reconstruction, the first 60.")] = None,
    interpolate: Annotated[Path | None, file_option("A PNG: from each row to the next through their codes.")] = None,
    out: Annotated[Path | None, file_option("The codes: .npz.")] = None,
    seed: Seed = 0,
    step: Step = None,
    runs_dir: RunsFolder = Path("runs"),
) -> None:
    """Infer z of real images: encode them, reconstruct them, and measure how far either comes from where it began.

    Beside the error on x stands the distance to the nearest training image, beside the error on z that between two z.
    Runs of the presets bigan, latent-regressor and joint-regressor have an encoder; --method optimise needs none.

    Example: gantool train --preset bigan, then gantool infer --sheet pairs.png --interpolate between.png

    Example: gantool infer --method optimise --num-samples 100

    Example: gantool infer 3 --data MY_IMAGES/ --out codes.npz
    """
    from gantool.cli.stages import shown_progress
    from gantool.evaluation.inference.score import InferenceSettings
    from gantool.evaluation.measures import measure
    from gantool.evaluation.recording import record
    from gantool.evaluation.subject import subject_of_run
    from gantool.pictures.codes import CodesRequest, write_codes
    from gantool.runs import find_run

    request, place = CodesRequest(sheet, interpolate, out), where.place()
    settings = InferenceSettings(num_samples, seed, method)  # type: ignore[arg-type]  # the method is checked
    found = find_run(run, runs_dir)
    with shown_progress() as progress:
        result, rows = None, None
        if data is not None:
            from gantool.evaluation.arrays import load_rows

            rows = load_rows(data, "--data").values[:num_samples]
        else:
            subject = subject_of_run(found, place, split, step)
            result = measure("inference", subject, settings, progress)
            assert subject.dataset is not None
            rows = subject.dataset.values(subject.dataset.split(split).stored[:num_samples])
        written = None
        if data is not None or sheet or interpolate or out:
            written = write_codes(
                found, rows, request, settings.method, place.device, step=step, seed=seed, progress=progress
            )
    answer = (written or {}) | (result.to_dict() if result else {})
    output.give(answer, lambda: _print(result, written))
    if result is not None:
        for sentence in record(found, result.to_dict()):
            warn(sentence)


def _print(result: InferenceResult | None, written: dict[str, Any] | None) -> None:
    from gantool.evaluation.inference.table import inference_tables

    if result is not None:
        rows = f"{result.num_samples:,} rows of {result.dataset} ({result.split})"
        say(f"Codes of {rows} by {result.method}: {result.run}")
        say()
        for table in inference_tables(result.to_dict()):
            show(table)
        say()
        say(f"Euclidean distances, ± is std/√{result.num_samples:,}. {result.impl}, {result.seconds:.1f} s.")
        for sentence in result.notes:
            note(sentence)
    elif written is not None:
        say(f"{written['num_rows']:,} rows come back {written['reconstruction']:.3f} away on average, as G(E(x)).")
    for name, what in (("sheet", "reconstructions"), ("interpolate", "interpolations"), ("out", "codes")):
        if written and written[name]:
            tell(f"{what}: {written[name]}")
