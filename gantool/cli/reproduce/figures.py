"""`gantool reproduce figures`: the paper's Figures 1, 2 and 3."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from gantool.cli.command import command
from gantool.cli.options import Output, Where
from gantool.cli.reproduce.watching import report_stop, watch_on
from gantool.cli.terminal import note, print_json, say, stderr_console


@command
def figures(
    where: Where,
    output: Output,
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RUN]...",
            help="Runs for Figures 2 and 3. Default: the newest finished run of each of the paper's presets.",
            show_default=False,
        ),
    ] = None,
    runs_dir: Annotated[Path, typer.Option("--runs-dir", help="The folder that holds the runs.")] = Path("runs"),
    out: Annotated[
        Path | None, typer.Option(help="The folder of the figures.", show_default="figures in the runs' folder")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A Figure 1 of 400 iterations: to see it work.")] = False,
) -> None:
    """Draw the paper's Figures 1, 2 and 3. Only Figure 1 is trained, once, in half a minute.

    Example: gantool reproduce figures

    Example: gantool reproduce figures 3 7 --out figures
    """
    from gantool.config.sources import build_config, preset_text, read_tree
    from gantool.data import load_dataset
    from gantool.reproduce.figure1 import draw_figure1
    from gantool.reproduce.figures import draw_figures, runs_to_draw
    from gantool.reproduce.training import train_one

    place, folder = where.place(), out or runs_dir / "figures"
    chosen = runs_to_draw(runs or [], runs_dir)
    config = build_config(read_tree(preset_text("figure1"), "the preset figure1"))
    if quick:
        config = replace(config, training=replace(config.training, steps=400))
    trained = train_one(config, folder, load_dataset(config.data), place.device, watch_on(stderr_console(), 1))
    if trained.signal_number is not None:
        report_stop(trained, stderr_console(), output.json)
    written = draw_figure1(trained.run, folder)
    for run in chosen:
        written += draw_figures(run, place, folder)
    if output.json:
        print_json({"figures": [str(path) for path in written], "runs": [str(run.path) for run in chosen]})
        return
    for path in written:
        say(str(path))
    if not chosen:
        note(f"Figures 2 and 3 need a finished run of MNIST, TFD or CIFAR-10 in {runs_dir} (gantool train).")
