"""`gantool eval features`: Fréchet and kernel distances, precision and recall, on features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from gantool.cli.command import command
from gantool.cli.eval.sources import measured
from gantool.cli.options import Output, RunName, Seed, Source, Where
from gantool.cli.terminal import note, say, show, warn

if TYPE_CHECKING:
    from gantool.evaluation.features.score import FeaturesResult

_PANEL = "Features"

Raw = Annotated[
    bool,
    typer.Option(
        "--raw", help="Compare the rows themselves; they may be features of your own.", rich_help_panel=_PANEL
    ),
]
InceptionFlag = Annotated[
    bool,
    typer.Option(
        "--inception",
        help="Inception's features, for the FID of the literature (needs torch-fidelity and its weights; slow on a "
        "CPU).",
        rich_help_panel=_PANEL,
    ),
]
Neighbours = Annotated[int, typer.Option(help="k of precision, recall, density and coverage.", rich_help_panel=_PANEL)]
SampleCount = Annotated[int, typer.Option(help="Samples and real rows compared, at most.", rich_help_panel="Common")]


@command
def features(
    source: Source,
    where: Where,
    output: Output,
    run: RunName = None,
    raw: Raw = False,
    inception: InceptionFlag = False,
    neighbours: Neighbours = 5,
    num_samples: SampleCount = 10_000,
    seed: Seed = 0,
) -> None:
    """Compare samples with real rows by features: Fréchet and kernel distance, precision, recall, density, coverage.

    Images with labels: features of a small classifier that gantool trains once (MNIST: about 40 s) and keeps.
    For your own files it is trained on --train-data, where those have labels.
    Beside the numbers stand those of real rows, which a perfect model would get at the same N.

    Example: gantool eval features

    Example: gantool eval features --samples S.npy --dataset mnist --json

    Example: gantool eval features --raw --samples FAKE_FEATURES.npy --data REAL_FEATURES.npy

    Example: gantool eval features --inception --samples IMAGES/ --data STATISTICS.npz (mu and sigma: Fréchet alone)
    """
    from gantool.cli.stages import shown_progress
    from gantool.evaluation.features.score import beside_statistics, statistics_of
    from gantool.evaluation.features.sources import FeatureSettings

    files = source.files({"RUN": run})
    settings = FeatureSettings(num_samples, neighbours, seed, raw, inception)
    place = where.place(source.array)
    if files and (statistics := statistics_of(files)):
        with shown_progress() as progress:
            result = beside_statistics(files, statistics, settings, place, progress)
        output.give(result.to_dict(), lambda: _print(result))
        return
    measured("features", run, source, files, settings, place, _print, output)


def _print(result: FeaturesResult) -> None:
    from gantool.evaluation.features.table import distance_tables

    subject = f"{result.run} at step {result.step:,}" if result.run and result.step is not None else "the samples"
    rows = f"{result.dataset}" + (f" ({result.split})" if result.split != "data" else "")
    say(f"Feature distances of {subject} from real rows of {rows}")
    say(f"Features: {result.about}.")
    say()
    for table in distance_tables(result.to_dict()):
        show(table)
    say()
    sentences = [
        *_explanation(result),
        result.caveat,
        f"Computed in {result.seconds:.1f} s on {result.device}, {result.impl}.",
    ]
    for sentence in sentences:
        say(sentence)
    for sentence in result.notes:
        note(sentence)
    for sentence in result.warnings:
        warn(sentence)


def _explanation(result: FeaturesResult) -> list[str]:
    found = result.distances
    if found.num_real is None:
        return ["Fréchet distance: lower is better."]
    real = f" Real rows: {result.reference_how}, which a perfect model would match." if result.reference_how else ""
    return [
        f"Fréchet and kernel distance: lower is better; the others are 1 at best, density about 1.{real}",
        f"± is the kernel distance's standard deviation over {found.kernel_subsets} subsets of "
        f"{found.kernel_subset_size:,} rows; {found.neighbours} neighbours.",
    ]
