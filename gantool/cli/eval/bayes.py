"""`gantool eval bayes`: classes by Bayes' rule, from densities of each class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from gantool.cli.command import command
from gantool.cli.eval.sources import measured
from gantool.cli.options import Output, RunName, Seed, Source, Where
from gantool.cli.terminal import note, say, show, warn

if TYPE_CHECKING:
    from gantool.evaluation.bayes.score import BayesResult

SampleCount = Annotated[int, typer.Option("--num-samples", "--n", help="Samples of all.", rich_help_panel="Common")]
ValidationRows = Annotated[int, typer.Option(help="How many validation rows, the first ones, choose σ.")]
WithClassifier = Annotated[
    bool,
    typer.Option("--classifier/--no-classifier", help="A small classifier beside (MNIST: 40 s once)."),
]


@command
def bayes(
    source: Source,
    where: Where,
    output: Output,
    run: RunName = None,
    num_samples: SampleCount = 10_000,
    validation_rows: ValidationRows = 1_000,
    classifier: WithClassifier = True,
    seed: Seed = 0,
) -> None:
    """Predict classes by p(class | x) ∝ p(class) p(x | class), a Parzen window on the samples of each class.

    Of a conditional run, or of samples with labels. σ is chosen twice on validation rows: where they are likeliest, and
    where their classes are. Beside it stand as many real training rows, and a classifier.

    Example: gantool train --preset digits-conditional, then gantool eval bayes

    Example: gantool eval bayes --samples S.npz --dataset mnist
    """
    from gantool.evaluation.bayes.score import BayesSettings

    files = source.files({"RUN": run})
    settings = BayesSettings(num_samples, seed, validation_rows, classifier)
    measured("bayes", run, source, files, settings, where.place(source.array), _print, output)


def _print(result: BayesResult) -> None:
    from gantool.evaluation.bayes.table import bayes_tables

    of = f" under {result.run} at step {result.step:,}" if result.run and result.step is not None else ""
    say(f"Classes of {result.test_size:,} rows of {result.dataset} ({result.split}) by Bayes' rule{of}")
    for table in bayes_tables(result.to_dict()):
        say()
        show(table)
    say()
    rows = f"{result.validation_size:,} validation rows chose σ; ± is std/√{result.test_size:,}"
    say(f"{rows}; the calibration error is the mean distance of confidence and accuracy.")
    say(f"Computed in {result.seconds:.1f} s on {result.device}, {result.impl}.")
    for sentence in result.notes:
        note(sentence)
    for sentence in result.warnings:
        warn(sentence)
