"""`gantool reproduce conditional`, `inference` …: a study's runs over seeds, scored, beside the published figures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gantool.cli.command import command
from gantool.cli.options import Output, Where
from gantool.cli.sweep import Seeds, Workers, shown, sweep_on
from gantool.cli.terminal import note, say, show
from gantool.tables import Table

if TYPE_CHECKING:
    from gantool.reproduce.studies import Study
    from gantool.sweep.table import SweepTable

# The names are those of gantool.reproduce.studies.STUDIES, which torch would have to be loaded for.
ABOUT = {
    "conditional": "Learn p(x | class) with the conditional GAN's net, and score it overall and by class.",
    "inference": "Learn z from x: BiGAN, and regression on samples, alone or with the generator's help.",
    "inpainting": "Fill in what is missing of MNIST's images, beside the nearest training rows.",
    "augmentation": "Train a classifier on few real rows, with and without generated ones.",
    "bayes": "Predict classes by Bayes' rule from a conditional generator's samples.",
    "prior": "Vary the noise prior: uniform, gaussian or spherical, of 1 to 300 dimensions.",
    "labels": "Classify MNIST with 100, 20, 1,000 and all labels, by a discriminator of K + 1 classes.",
}


def study_command(name: str) -> Callable[..., None]:
    """The command of a study."""

    @command
    def reproduce(
        where: Where,
        output: Output,
        seeds: Seeds = 3,
        quick: Annotated[bool, typer.Option("--quick", help="Small runs: to see it work, not to cite.")] = False,
        out: Annotated[
            Path | None,
            typer.Option("--out", "--runs-dir", help="The folder of the runs and the table.", show_default="runs/NAME"),
        ] = None,
        workers: Workers = None,
    ) -> None:
        from gantool.reproduce.studies import STUDIES

        study, folder = STUDIES[name], out or Path("runs") / name
        table = sweep_on(
            study.plan(folder, seeds, quick), study.measures(quick), where.place(), workers, output.json, name
        )
        output.give(table.to_dict(), lambda: _print(study, table, folder / f"{name}.json"))

    reproduce.__doc__ = (
        f"{ABOUT[name]}\n\nStopped by Ctrl-C, it saves; the same command again goes on.\n\n"
        f"Example: gantool reproduce {name}\n\nExample: gantool reproduce {name} --quick --seeds 1"
    )
    return reproduce


def _print(study: Study, table: SweepTable, path: Path) -> None:
    say(study.about)
    say()
    show(shown(table))
    say()
    if study.published:
        show(Table(("published", "figure", "from"), study.published))
        say()
    note(f"Mean ± standard error over {table.seeds} seeds. {study.reading}")
    say(f"Written to {path}.")
