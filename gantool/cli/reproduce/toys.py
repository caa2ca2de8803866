"""`gantool reproduce toys`: modes on toys beside the papers' figures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gantool.cli.command import command
from gantool.cli.options import Device, Output, resolve_device
from gantool.cli.sweep import Seeds, Workers, shown, sweep_on
from gantool.cli.terminal import note, say, show
from gantool.tables import Table

if TYPE_CHECKING:
    from gantool.sweep.table import SweepTable


@command
def toys(
    output: Output,
    seeds: Seeds = 3,
    quick: Annotated[bool, typer.Option("--quick", help="Runs of 1,000 updates: to see it work, not to cite.")] = False,
    published: Annotated[
        bool, typer.Option("--published", help="PacGAN's own protocol, whole, for its plain GAN: hours a run.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", "--runs-dir", help="The folder of the runs and the table.", show_default="runs/toys"),
    ] = None,
    workers: Workers = None,
    device: Device = "auto",
) -> None:
    """Count modes on the ring of 8 and the grid of 25: every objective, order, play and packing, beside the papers'.

    About 66 runs of a minute on each set. Stopped by Ctrl-C, it saves; the same command again goes on.

    Example: gantool reproduce toys

    Example: gantool reproduce toys --published --seeds 1
    """
    from gantool.evaluation.subject import Place
    from gantool.reproduce.toys import published_protocol, toy_measures
    from gantool.reproduce.toys import toys as plan_of_toys

    folder = out or Path("runs") / "toys"
    plan = published_protocol(folder, seeds) if published else plan_of_toys(folder, seeds, quick=quick)
    name = "published" if published else "toys"
    table = sweep_on(plan, toy_measures(), Place(resolve_device(device)), workers, output.json, name)
    output.give(table.to_dict(), lambda: _print_toys(table, folder / f"{name}.json"))


def _print_toys(table: SweepTable, path: Path) -> None:
    from gantool.reproduce.toys import PUBLISHED, SAMPLES

    for group in dict.fromkeys(row.group for row in table.rows):
        say(group)
        show(shown(table, group))
        papers = tuple(
            (line.model, line.source, line.modes, line.good, line.reverse_kl)
            for line in PUBLISHED
            if line.group == group
        )
        show(Table(("published", "by", "modes", "good samples", "reverse KL"), papers))
        say()
    note(
        f"Mean ± standard error over {table.seeds} seeds, {SAMPLES:,} samples each. A sample is good within three "
        f"standard deviations of a mode; reverse KL is KL(samples‖data) over the modes, in nats."
    )
    say(f"Written to {path}.")
