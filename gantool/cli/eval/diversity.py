"""`gantool eval diversity`: collapse, memorisation, averaging and missing modes, told apart in words."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gantool.cli.eval.sources import (
    ArrayPlace,
    DataFile,
    DatasetName,
    RunName,
    RunsFolder,
    SamplesFile,
    Scale,
    Seed,
    Source,
    SplitName,
    Step,
    TrainFile,
    check_source,
    measured,
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
from gantool.cli.terminal import note, say, show, warn

if TYPE_CHECKING:
    from rich.table import Table

    from gantool.evaluation.diversity import DiversityResult

SampleCount = Annotated[int, typer.Option(help="Samples to look at, at most.", rich_help_panel="Common")]
WithClasses = Annotated[
    bool,
    typer.Option(
        "--classes/--no-classes",
        help="Count classes with a small classifier of labelled data (MNIST: about 40 s the first time).",
        rich_help_panel="Common",
    ),
]


@guarded
def diversity(
    run: RunName = None,
    runs_dir: RunsFolder = Path("runs"),
    step: Step = None,
    split: SplitName = "test",
    array: ArrayPlace = None,
    samples: SamplesFile = None,
    data: DataFile = None,
    train_data: TrainFile = None,
    dataset: DatasetName = None,
    scale: Scale = None,
    data_dir: DataDir = None,
    offline: Offline = False,
    num_samples: SampleCount = 10_000,
    classes: WithClasses = True,
    seed: Seed = 0,
    device: Device = "auto",
    json_output: JsonFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Tell whether a generator has collapsed, replays its training rows, averages them, or misses part of the data.

    Samples are compared with training rows, and with held-out rows that no generator has seen: near-duplicates, nearest
    training rows, statistically different bins, modes. Alarms and a verdict say in words what the figures come to.

    Example: gantool eval diversity

    Example: gantool eval diversity --samples S.npy --dataset mnist

    Example: gantool eval diversity --samples S.npy --data HELD_OUT.npy --train-data TRAIN.npy --json
    """
    check_source(
        samples,
        {"RUN": run, "--step": step, "--array": array},
        {"--data": data, "--train-data": train_data, "--dataset": dataset, "--scale": scale},
    )
    from gantool.evaluation.array_files import ArrayFiles
    from gantool.evaluation.diversity import DiversitySettings
    from gantool.evaluation.subject import Place

    settings = DiversitySettings(num_samples, seed, classes)
    files = ArrayFiles(samples, data, train=train_data, dataset=dataset, scale=scale) if samples else None
    place = Place(resolve_device(device), data_dir, offline, array)
    source = Source(runs_dir, run, step, split, files, place)
    measured("diversity", source, settings, print_diversity, as_json=json_output)


def print_diversity(result: DiversityResult) -> None:
    """Prints the verdict, the alarms, and the measures beside what real rows give."""

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
    show(_table(result))
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


def _table(result: DiversityResult) -> Table:
    from rich.table import Table

    table = Table(box=None)
    table.add_column("measure")
    for name in ("samples", "real rows", "N"):
        table.add_column(name, justify="right")
    for cells in (*_duplicate_lines(result), *_memorisation_lines(result), *_bin_lines(result), *_mode_lines(result)):
        table.add_row(*cells)
    return table


Line = tuple[str, str, str, str]


def _duplicate_lines(result: DiversityResult) -> list[Line]:
    found = result.duplicates
    count = f"{found.num_samples:,}"
    return [
        ("identical to another sample", _percent(found.exact_share), _percent(found.data_exact_share), count),
        ("near another sample", _percent(found.near_share), _percent(found.data_near_share), count),
        (
            "different samples, about",
            _support(found.birthday_support, found.num_samples),
            _support(found.data_birthday_support, found.num_samples),
            count,
        ),
    ]


def _memorisation_lines(result: DiversityResult) -> list[Line]:
    found = result.memorisation
    if found is None:
        return []
    count = f"{found.num_samples:,}"
    return [
        ("identical to a training row", _percent(found.copied_share), _percent(found.held_out_copied_share), count),
        ("closer to one than 1% of held-out rows", _percent(found.close_share), "1.0%", count),
        (
            "median distance to the nearest training row",
            f"{found.median_distance:.4g}",
            f"{found.held_out_median_distance:.4g}",
            count,
        ),
        ("nearer to training than to held-out rows", _percent(found.nearer_to_training), "50.0%", count),
    ]


def _bin_lines(result: DiversityResult) -> list[Line]:
    found = result.bins
    count = f"{found.num_samples:,}"
    lines = [
        (
            f"different bins of {found.bins} (by chance {found.different_by_chance:.0f})",
            f"{found.different}",
            f"{found.different_held_out}",
            count,
        ),
        ("data in bins without samples", _percent(found.missing_mass), "", count),
    ]
    if found.spread_kept is not None:
        lines.append(("spread within bins", _percent(found.spread_kept), "100.0%", count))
    if found.variance_kept is not None:
        lines.append(("variance", _percent(found.variance_kept), "100.0%", count))
    return lines


def _mode_lines(result: DiversityResult) -> list[Line]:
    found = result.modes
    if found is None:
        return []
    count = f"{found.num_samples:,}"
    lines = [("modes captured", f"{found.captured}", f"{len(found.modes)}", count)]
    if found.kl is not None:
        lines.append(("KL of the histogram over modes, nats", f"{found.kl:.4f}", f"{found.kl_by_chance:.4f}", count))
    if found.high_quality is not None and found.expected_high_quality is not None:
        lines.append(("in a mode", _percent(found.high_quality), _percent(found.expected_high_quality), count))
    return lines


def _percent(share: float) -> str:
    return f"{share:.1%}"


def _support(support: float | None, count: int) -> str:
    """Two digits at most. Without a near pair it is more than the number of pairs."""
    return f"over {_rounded(count * (count - 1) / 2)}" if support is None else _rounded(support)


def _rounded(number: float) -> str:
    return f"{float(f'{number:.2g}'):,.0f}"
