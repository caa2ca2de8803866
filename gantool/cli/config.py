"""`gantool config`: the presets, listed and printed."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from gantool.cli.shell import DebugFlag, JsonFlag, guarded, print_json
from gantool.cli.streams import writing
from gantool.cli.terminal import show
from gantool.tables import Table

app = typer.Typer(no_args_is_help=True, help="List presets, and print one to copy and change.")


@app.command("list")
@guarded
def list_presets(json_output: JsonFlag = False, debug: DebugFlag = False) -> None:
    """List the presets.

    Example: gantool config list
    """
    from gantool.config.sources import build_config, preset_names, preset_text, read_tree

    presets = [build_config(read_tree(preset_text(name), name)) for name in preset_names()]
    if json_output:
        print_json({"presets": [{"name": p.name, "dataset": p.data.name, "about": p.about} for p in presets]})
        return
    rows = tuple((preset.name, preset.data.name, preset.about) for preset in presets)
    show(Table(("preset", "data", "about"), rows))


@app.command("show")
@guarded
def show_preset(
    name: Annotated[str, typer.Argument(help="A preset's name; see `gantool config list`.")],
    json_output: JsonFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Print a preset as TOML, on stdout, ready to be saved, changed and passed with --config.

    Example: gantool config show mnist > mine.toml
    """
    from gantool.config.sources import build_config, preset_text, read_tree

    text = preset_text(name)
    if json_output:
        print_json(build_config(read_tree(text, name)).to_dict())
    else:
        with writing():
            sys.stdout.write(text)
