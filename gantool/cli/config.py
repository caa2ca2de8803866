"""`gantool config`: the presets, listed and printed."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from gantool.cli.command import command
from gantool.cli.options import Output
from gantool.cli.streams import writing
from gantool.cli.terminal import print_json, show
from gantool.tables import Table

app = typer.Typer(no_args_is_help=True, help="List presets, and print one to copy and change.")


@app.command("list")
@command
def list_presets(output: Output) -> None:
    """List the presets.

    Example: gantool config list
    """
    from gantool.config.sources import build_config, preset_names, preset_text, read_tree

    presets = [build_config(read_tree(preset_text(name), name)) for name in preset_names()]
    if output.json:
        print_json({"presets": [{"name": p.name, "dataset": p.data.name, "about": p.about} for p in presets]})
        return
    rows = tuple((preset.name, preset.data.name, preset.about) for preset in presets)
    show(Table(("preset", "data", "about"), rows))


@app.command("show")
@command
def show_preset(
    output: Output,
    name: Annotated[str, typer.Argument(help="A preset's name; see `gantool config list`.")],
) -> None:
    """Print a preset as TOML, on stdout, ready to be saved, changed and passed with --config.

    Example: gantool config show mnist > mine.toml
    """
    from gantool.config.sources import build_config, preset_text, read_tree

    text = preset_text(name)
    if output.json:
        print_json(build_config(read_tree(text, name)).to_dict())
    else:
        with writing():
            sys.stdout.write(text)
