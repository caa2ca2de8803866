"""`gantool eval labels`: how few labels a trained discriminator needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from gantool.cli.command import command
from gantool.cli.eval.sources import measured
from gantool.cli.options import Output, RunName, Source, Where
from gantool.cli.terminal import note, say, show

if TYPE_CHECKING:
    from gantool.evaluation.labels.score import LabelsResult

Labels = Annotated[
    int | None,
    typer.Option(
        help="How many training labels are known in all, as many of each class.",
        show_default="as many as the run was told, else all",
    ),
]


@command
def labels(source: Source, where: Where, output: Output, run: RunName = None, labels: Labels = None) -> None:
    """Count the mistakes of classifiers that know few labels: the run's, a linear head on it, the same net without it.

    A discriminator of the preset k-plus-one classifies by itself; of any run's a linear head on the last hidden layer
    is fitted. Beside them stands the same net, trained on the known labels alone. Validation rows choose, test rows
    count. The known rows are drawn by the run's seed, and their hash is printed.

    Example: gantool train --preset k-plus-one, then gantool eval labels

    Example: gantool eval labels 3 --labels 1000
    """
    from gantool.evaluation.labels.score import LabelsSettings

    files = source.files({"RUN": run})
    settings = LabelsSettings(labels=labels)
    measured("labels", run, source, files, settings, where.place(source.array), _print, output)


def _print(result: LabelsResult) -> None:
    from gantool.evaluation.labels.table import labels_tables

    say(f"{result.labels:,} labels of {result.dataset} are known, rows {result.split_hash}: {result.run}")
    say()
    for table in labels_tables(result.to_dict()):
        show(table)
    say()
    rows = f"{result.validation_size:,} validation rows choose, {result.test_size:,} test rows count"
    say(f"{rows}. {result.impl} on {result.device}, {result.seconds:.1f} s.")
    for sentence in result.notes:
        note(sentence)
