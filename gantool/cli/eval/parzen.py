"""`gantool eval parzen`: the paper's log-likelihood, beside its references."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gantool.cli.command import command
from gantool.cli.eval.folds import AcrossFolds
from gantool.cli.eval.seeds import AcrossSeeds, RunNames, WithReplicas
from gantool.cli.eval.sources import measured
from gantool.cli.options import ARRAYS_PANEL, Output, Seed, Source, Where
from gantool.errors import UsageError

if TYPE_CHECKING:
    from gantool.evaluation.parzen.score import ParzenSettings
    from gantool.evaluation.subject import Place

_SIGMA = "Sigma"

SigmaSearch = Annotated[
    bool,
    typer.Option(
        "--sigma-search",
        help="Choose sigma on validation rows, else by leave-one-out: what happens without --sigma, too.",
        rich_help_panel=_SIGMA,
    ),
]
Sigma = Annotated[
    float | None,
    typer.Option(
        help="Use this sigma, in the data's units, and do not search.", show_default=False, rich_help_panel=_SIGMA
    ),
]
Grid = Annotated[
    tuple[float, float, int] | None,
    typer.Option(
        metavar="LOW HIGH COUNT",
        help="Values of sigma to try, in equal ratios. Default: the paper's, 0.1 1 10.",
        show_default=False,
        rich_help_panel=_SIGMA,
    ),
]
ValidationRows = Annotated[
    int, typer.Option(help="How many validation rows, the first ones, choose sigma.", rich_help_panel=_SIGMA)
]
Refine = Annotated[
    bool,
    typer.Option(
        "--refine/--no-refine",
        help="Score at the best sigma between the grid's points, too; the grid's stays the headline.",
        rich_help_panel=_SIGMA,
    ),
]
SampleCount = Annotated[int, typer.Option(help="Samples in the Parzen window.", rich_help_panel="Common")]
WithReferences = Annotated[
    bool,
    typer.Option(
        "--references/--no-references",
        help="Score real training images and k-means centroids, too (MNIST: some ten seconds more the first time).",
        rich_help_panel="Common",
    ),
]


ValidationFile = Annotated[
    Path | None,
    typer.Option(help="Other rows, that choose sigma.", show_default=False, rich_help_panel=ARRAYS_PANEL),
]
ImplName = Annotated[str, typer.Option(help="auto, native or reference.", rich_help_panel="Common")]


@dataclass(frozen=True)
class Across:
    """Whether one run is scored, or several beside one another."""

    seeds: AcrossSeeds = False
    replicas: WithReplicas = False
    folds: AcrossFolds = False


@dataclass(frozen=True)
class Bandwidth:
    """How sigma is chosen."""

    sigma_search: SigmaSearch = False
    sigma: Sigma = None
    grid: Grid = None
    refine: Refine = True
    validation_rows: ValidationRows = 1_000
    validation: ValidationFile = None

    def settings(self, num_samples: int, seed: int, impl: str, *, references: bool) -> ParzenSettings:
        """Raises UsageError where they exclude each other or make no sense."""
        from gantool.evaluation.parzen.score import ParzenSettings
        from gantool.numerics.density import PAPER_GRID, geometric_grid

        if self.sigma_search and self.sigma is not None:
            raise UsageError("--sigma-search and --sigma exclude each other: search sigma, or give it.")
        return ParzenSettings(
            num_samples=num_samples,
            sigma=self.sigma,
            grid=geometric_grid(*self.grid) if self.grid else PAPER_GRID,
            validation_rows=self.validation_rows,
            seed=seed,
            impl=impl,  # type: ignore[arg-type]  # the settings check the name
            references=references,
            refine=self.refine,
        )


@command
def parzen(
    across: Across,
    source: Source,
    bandwidth: Bandwidth,
    where: Where,
    output: Output,
    runs: RunNames = None,
    num_samples: SampleCount = 10_000,
    seed: Seed = 0,
    references: WithReferences = True,
    impl: ImplName = "auto",
) -> None:
    """Estimate the log-likelihood of held-out rows with a Parzen window on samples, as the paper does.

    Sigma is chosen on validation rows, without them by leave-one-out on the samples, never on the rows that are scored.
    Beside the score stand two references at the same number of samples, real training images and k-means centroids; its
    growth with the number of samples; each uncertainty by name; and training rows against the rows scored.

    Example: gantool eval parzen

    Example: gantool eval parzen 3 --num-samples 1000 --no-references --json

    Example: gantool eval parzen 1 2 3 (or 1 --seeds, or 1 --replicas) for the mean and its spread over training seeds

    Example: gantool eval parzen --samples S.npy --data TEST.npy --sigma-search

    Example: gantool eval parzen --samples S.npy --data TEST.npy --validation VALID.npy --train-data TRAIN.npy
    """
    several = across.seeds or across.replicas or len(runs or ()) > 1
    if across.folds and several:
        raise UsageError("--folds scores one run: leave out --seeds, --replicas and other runs.")
    of_run = {
        "RUN": runs or None,
        "--seeds": across.seeds or None,
        "--replicas": across.replicas or None,
        "--folds": across.folds or None,
    }
    settings = bandwidth.settings(num_samples, seed, impl, references=references)
    files = source.files(of_run, bandwidth.validation)
    from gantool.cli.scores import print_result

    place, newest = where.place(source.array), runs[0] if runs else None
    if across.folds:
        _across_folds(newest, source, settings, place, output)
    elif several:
        _across_seeds(runs or [], across, source, settings, place, output)
    else:
        measured("parzen", newest, source, files, settings, place, print_result, output)


def _across_seeds(
    names: list[str], across: Across, source: Source, settings: ParzenSettings, place: Place, output: Output
) -> None:
    from gantool.cli.eval.seeds import find_runs, print_seeds
    from gantool.cli.stages import shown_progress
    from gantool.evaluation.seeds import evaluate_runs

    with shown_progress() as progress:
        runs, notes = find_runs(names, source, seeds=across.seeds, replicas=across.replicas)
        found = evaluate_runs(
            runs, settings, place, split=source.split, step=source.step, notes=notes, progress=progress
        )
    output.give(found.to_dict(), lambda: print_seeds(found))


def _across_folds(name: str | None, source: Source, settings: ParzenSettings, place: Place, output: Output) -> None:
    from gantool.cli.eval.folds import print_folds
    from gantool.cli.stages import shown_progress
    from gantool.evaluation.parzen.folds import evaluate_folds
    from gantool.runs import find_run

    run = find_run(name, source.runs_dir)
    with shown_progress() as progress:
        found = evaluate_folds(run, settings, place, split=source.split, step=source.step, progress=progress)
    output.give(found.to_dict(), lambda: print_folds(found))
