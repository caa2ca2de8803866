"""`gantool eval augmentation`: whether generated rows help a classifier."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from gantool.cli.command import command
from gantool.cli.eval.sources import measured
from gantool.cli.options import Output, RunName, Seed, Source, Where
from gantool.cli.terminal import note, say, show

if TYPE_CHECKING:
    from gantool.evaluation.augmentation.score import AugmentationResult

NumSamples = Annotated[int, typer.Option("--num-samples", "--n", help="How many labelled samples are drawn.")]


@command
def augmentation(
    source: Source,
    where: Where,
    output: Output,
    run: RunName = None,
    num_samples: NumSamples = 10_000,
    seed: Seed = 0,
) -> None:
    """Train a small classifier on the run's training rows, on these and generated rows, and on generated rows alone.

    The run must be told classes. With data.rows it has seen so many rows alone, and the classifier sees the same.

    Example: gantool train --preset digits-conditional --set data.rows=100, then gantool eval augmentation
    """
    from gantool.evaluation.augmentation.score import AugmentationSettings

    files = source.files({"RUN": run})
    settings = AugmentationSettings(num_samples, seed)
    measured("augmentation", run, source, files, settings, where.place(source.array), _print, output)


def _print(result: AugmentationResult) -> None:
    from gantool.evaluation.augmentation.table import augmentation_tables

    say(f"Mistakes on {result.test_size:,} {result.split} rows of {result.dataset}: {result.run}")
    say()
    for table in augmentation_tables(result.to_dict()):
        show(table)
    say()
    say(
        f"One training of each, seed {result.seed}: {result.classifier}. By the number of test rows alone a share is "
        f"known to ± {result.error_error:.2%}. {result.impl}, {result.seconds:.1f} s."
    )
    for sentence in result.notes:
        note(sentence)
