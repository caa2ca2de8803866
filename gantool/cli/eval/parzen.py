"""`gantool eval parzen`: the paper's log-likelihood, beside its references."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gantool.cli.eval.folds import AcrossFolds
from gantool.cli.eval.seeds import AcrossSeeds, RunNames, WithReplicas
from gantool.cli.eval.sources import (
    ArrayPlace,
    DataFile,
    DatasetName,
    ImplName,
    RunsFolder,
    SamplesFile,
    Scale,
    Seed,
    Source,
    SplitName,
    Step,
    TrainFile,
    ValidationFile,
    check_source,
    measured,
    shown,
)
from gantool.cli.shell import (
    DataDir,
    DebugFlag,
    Device,
    JsonFlag,
    Offline,
    guarded,
    resolve_device,
)
from gantool.errors import UsageError

if TYPE_CHECKING:
    from gantool.evaluation.parzen.score import ParzenSettings
    from gantool.evaluation.subject import Place
    from gantool.runs import Run

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


@guarded
def parzen(
    runs: RunNames = None,
    runs_dir: RunsFolder = Path("runs"),
    step: Step = None,
    seeds: AcrossSeeds = False,
    replicas: WithReplicas = False,
    folds: AcrossFolds = False,
    split: SplitName = "test",
    array: ArrayPlace = None,
    samples: SamplesFile = None,
    data: DataFile = None,
    validation: ValidationFile = None,
    train_data: TrainFile = None,
    dataset: DatasetName = None,
    scale: Scale = None,
    sigma_search: SigmaSearch = False,
    sigma: Sigma = None,
    grid: Grid = None,
    refine: Refine = True,
    validation_rows: ValidationRows = 1_000,
    data_dir: DataDir = None,
    offline: Offline = False,
    num_samples: SampleCount = 10_000,
    seed: Seed = 0,
    references: WithReferences = True,
    impl: ImplName = "auto",
    device: Device = "auto",
    json_output: JsonFlag = False,
    debug: DebugFlag = False,
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
    if folds and (seeds or replicas or len(runs or ()) > 1):
        raise UsageError("--folds scores one run: leave out --seeds, --replicas and other runs.")
    if sigma_search and sigma is not None:
        raise UsageError("--sigma-search and --sigma exclude each other: search sigma, or give it.")
    check_source(
        samples,
        {
            "RUN": runs or None,
            "--step": step,
            "--seeds": seeds or None,
            "--replicas": replicas or None,
            "--folds": folds or None,
            "--array": array,
        },
        {
            "--data": data,
            "--validation": validation,
            "--train-data": train_data,
            "--dataset": dataset,
            "--scale": scale,
        },
    )
    from gantool.cli.scores import print_result
    from gantool.evaluation.array_files import ArrayFiles
    from gantool.evaluation.parzen.score import ParzenSettings
    from gantool.evaluation.subject import Place
    from gantool.numerics.density import PAPER_GRID, geometric_grid
    from gantool.runs import find_run

    settings = ParzenSettings(
        num_samples=num_samples,
        sigma=sigma,
        grid=geometric_grid(*grid) if grid else PAPER_GRID,
        validation_rows=validation_rows,
        seed=seed,
        impl=impl,  # type: ignore[arg-type]  # the settings check the name
        references=references,
        refine=refine,
    )
    place = Place(resolve_device(device), data_dir, offline, array)
    files = ArrayFiles(samples, data, validation, train_data, dataset, scale) if samples else None
    if folds:
        _across_folds(find_run(runs[0] if runs else None, runs_dir), settings, place, split, step, json_output)
        return
    if seeds or replicas or len(runs or ()) > 1:
        _across_seeds(runs or [], seeds, replicas, runs_dir, step, split, settings, place, json_output)
        return
    source = Source(runs_dir, runs[0] if runs else None, step, split, files, place)
    measured("parzen", source, settings, print_result, as_json=json_output)


def _across_seeds(
    names: list[str],
    across: bool,
    replicas: bool,
    runs_dir: Path,
    step: int | None,
    split: str,
    settings: ParzenSettings,
    place: Place,
    json_output: bool,
) -> None:
    from gantool.cli.eval.seeds import print_seeds, score_seeds
    from gantool.cli.stages import shown_progress

    with shown_progress() as progress:
        found = score_seeds(names, across, replicas, runs_dir, step, split, settings, place, progress)
    shown(found, print_seeds, as_json=json_output)


def _across_folds(
    run: Run, settings: ParzenSettings, place: Place, split: str, step: int | None, json_output: bool
) -> None:
    from gantool.cli.eval.folds import print_folds
    from gantool.cli.stages import shown_progress
    from gantool.evaluation.parzen.folds import evaluate_folds

    with shown_progress() as progress:
        found = evaluate_folds(run, settings, place, split=split, step=step, progress=progress)
    shown(found, print_folds, as_json=json_output)
