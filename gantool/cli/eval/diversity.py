"""`gantool eval diversity`: collapse, memorisation, averaging and missing modes, told apart in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from gantool.cli.command import command
from gantool.cli.eval.sources import measured
from gantool.cli.options import Output, RunName, Seed, Source, Where
from gantool.cli.terminal import note, say, show, warn

if TYPE_CHECKING:
    from gantool.evaluation.diversity.score import DiversityResult

SampleCount = Annotated[int, typer.Option(help="Samples to look at, at most.", rich_help_panel="Common")]
WithClasses = Annotated[
    bool,
    typer.Option(
        "--classes/--no-classes",
        help="Count classes with a small classifier of labelled data (MNIST: about 40 s the first time).",
        rich_help_panel="Common",
    ),
]


@command
def diversity(
    source: Source,
    where: Where,
    output: Output,
    run: RunName = None,
    num_samples: SampleCount = 10_000,
    classes: WithClasses = True,
    seed: Seed = 0,
) -> None:
    """Tell whether a generator has collapsed, replays its training rows, averages them, or misses part of the data.

    Samples are compared with training rows, and with held-out rows that no generator has seen: near-duplicates, nearest
    training rows, statistically different bins, modes. Alarms and a verdict say in words what the figures come to.

    Example: gantool eval diversity

    Example: gantool eval diversity --samples S.npy --dataset mnist

    Example: gantool eval diversity --samples S.npy --data HELD_OUT.npy --train-data TRAIN.npy --json
    """
    from gantool.evaluation.diversity.score import DiversitySettings

    files = source.files({"RUN": run})
    settings = DiversitySettings(num_samples, seed, classes)
    measured("diversity", run, source, files, settings, where.place(source.array), print_diversity, output)


def print_diversity(result: DiversityResult) -> None:
    """Prints the verdict, the alarms, and the measures beside what real rows give."""
    from gantool.evaluation.diversity.table import diversity_tables

    of = f" of {result.run} at step {result.step:,}" if result.run and result.step is not None else ""
    held_out = "" if result.split == "data" else f" ({result.split} rows held out)"
    say(f"Diversity of {result.num_samples:,} samples{of} beside {result.dataset}{held_out}")
    say()
    say(result.verdict, "bold")
    for raised in result.alarms:
        say(f"Alarm: {raised.sentence}", "bold red")
    if result.alarms and result.differences:
        say(f"Besides, the samples are told from the data: {', and '.join(result.differences)}.")
    say()
    for table in diversity_tables(result.to_dict()):
        show(table)
    say()
    if result.modes is not None:
        say(f"Modes are {result.modes_by}; {result.modes.definition}.")
    near = (
        "a fixed distance, as each of as many training rows has an exact twin"
        if result.duplicates.near_radius_fixed
        else "the distance that 1% of as many training rows have to their nearest other row"
    )
    say(
        f"Near: within {result.duplicates.near_radius:.4g}, {near}. The number of different samples is rough: as many "
        "equally likely ones would have as many near pairs."
    )
    for sentence in result.notes:
        note(sentence)
    for sentence in result.warnings:
        warn(sentence)
    say(f"Computed in {result.seconds:.1f} s.")
