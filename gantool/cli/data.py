"""`gantool data`: which data sets there are, what is in one, and how to get its files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gantool.cli.command import command
from gantool.cli.options import DataDir, Offline, Output
from gantool.cli.terminal import print_json, say, show
from gantool.errors import UsageError
from gantool.tables import Table

if TYPE_CHECKING:
    from gantool.data import Dataset, Split
    from gantool.data.registry import Entry

app = typer.Typer(help="List, describe and fetch data sets.\n\nExample: gantool data fetch mnist", no_args_is_help=True)

_MOST_LABELS_SHOWN = 30
Name = Annotated[str, typer.Argument(help="A data set's name; `gantool data list` shows them.", show_default=False)]


@app.command("list")
@command
def list_datasets(output: Output, data_dir: DataDir = None) -> None:
    """List the data sets, and say which are ready here and which must be fetched first.

    Example: gantool data list
    """
    from gantool.data.registry import DATASETS, data_root

    root = data_root(data_dir)
    rows = [{"name": name, "about": entry.about, **_state(name, entry, root)} for name, entry in DATASETS.items()]
    if output.json:
        print_json({"data_root": root, "datasets": rows})
        return
    say(f"data root: {root}")
    lines = tuple((row["name"], row["remedy"] or row["state"], row["about"]) for row in rows)
    show(Table(("name", "state", "about"), lines))


def _state(name: str, entry: Entry, root: Path) -> dict[str, Any]:
    """Whether the data set can be read now, and what to do where it cannot."""
    missing = entry.remote.missing(root) if entry.remote else []
    if missing:
        return {"state": "missing", "missing": missing, "remedy": f"gantool data fetch {name}"}
    if remedy := entry.remedy(root):
        return {"state": "needs a path" if name == "array" else "missing", "missing": [], "remedy": remedy}
    return {"state": "ready", "missing": [], "remedy": None}


@app.command()
@command
def info(
    output: Output,
    name: Name,
    path: Annotated[
        Path | None,
        typer.Option(help="Your file or folder of images, for the data set `array`.", rich_help_panel="Data"),
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Describe a data set: rows, shape, value range, labels, where it came from, checksums. Never downloads.

    Example: gantool data info mnist

    Example: gantool data info array --path faces.npy
    """
    from gantool.config import DataConfig
    from gantool.data.registry import data_root, find_entry

    entry, root = find_entry(name), data_root(data_dir)
    if (name == "array") != (path is not None):
        raise UsageError("--path names your own file, and goes with the data set `array` alone.")
    config = DataConfig(name, str(path) if path is not None else None)
    if entry.remote is not None:
        entry.remote.require(root)
    dataset = entry.load(config, root)
    description = {
        "name": name,
        "about": entry.about,
        "source": dataset.source,
        "shape": dataset.shape,
        "dimension": dataset.dimension,
        "stored": str(dataset.train.stored.dtype).removeprefix("torch."),
        "divisor": dataset.divisor,
        "splits": {split: _describe(dataset, dataset.split(split)) for split in ("train", "validation", "test")},
        "files": _checksums(entry, root),
    }
    output.give(description, lambda: _render(description))


def _describe(dataset: Dataset, split: Split) -> dict[str, Any]:
    import numpy as np
    import torch

    low, high = (float(bound) for bound in torch.aminmax(split.stored))
    labels = None
    if split.labels is not None:
        values, counts = np.unique(split.labels.numpy(), return_counts=True)
        labels = dict(zip(map(str, values.tolist()), counts.tolist(), strict=True))
    return {
        "rows": len(split),
        "minimum": low / dataset.divisor,
        "maximum": high / dataset.divisor,
        "labels": labels,
    }


def _checksums(entry: Entry, root: Path) -> list[dict[str, Any]]:
    """Each file with what its checksum says: `verified`, or in a sentence what is wrong."""
    if entry.remote is None:
        return []
    files = []
    folder = entry.remote.folder(root)
    for file in entry.remote.files:
        path = file.find(folder)
        if path is None:  # an archive that lies unpacked there
            unpacked = file.find_unpacked(folder)
            files += [{"name": path.name, "path": path, "checksum": "not known"} for path in unpacked]
            continue
        try:
            file.verify(path)
            checksum = "verified"
        except UsageError as error:
            checksum = str(error)
        files.append({"name": file.name, "path": path, "checksum": checksum})
    return files


def _render(description: dict[str, Any]) -> None:
    shape = "×".join(map(str, description["shape"]))
    say(f"{description['name']}: {description['about']}")
    say(f"source   {description['source']}")
    say(
        f"example  {shape}: {description['dimension']} values, stored as {description['stored']}, "
        f"divided by {description['divisor']:g}"
    )
    rows = tuple(
        (
            name,
            f"{split['rows']:,}",
            f"{split['minimum']:.4g} to {split['maximum']:.4g}",
            _histogram(split["labels"]),
        )
        for name, split in description["splits"].items()
    )
    show(Table(("split", "rows", "values", "rows per label"), rows))
    for file in description["files"]:
        say(f"{file['name']}  SHA-256 {file['checksum']}")


def _histogram(labels: dict[str, int] | None) -> str:
    if labels is None:
        return "no labels"
    if len(labels) > _MOST_LABELS_SHOWN:
        return f"{len(labels)} different labels"
    return ", ".join(f"{label}: {count}" for label, count in labels.items())


@app.command()
@command
def fetch(
    output: Output,
    name: Name,
    source: Annotated[
        Path | None,
        typer.Option(
            "--from", help="Copy from this folder instead of downloading.", show_default=False, rich_help_panel="Data"
        ),
    ] = None,
    mirror: Annotated[
        list[str] | None,
        typer.Option(
            help="Download from this folder on the web instead; may be repeated, tried in order.",
            show_default=False,
            rich_help_panel="Data",
        ),
    ] = None,
    data_dir: DataDir = None,
    offline: Offline = False,
) -> None:
    """Bring a data set's files under the data root, each checked against its SHA-256; what is good there stays.

    Example: gantool data fetch mnist

    Example: gantool data fetch mnist --from ~/Downloads
    """
    from gantool.data.fetch import copy_from, download
    from gantool.data.registry import data_root, find_entry

    if source is not None and mirror:
        raise UsageError("--from and --mirror exclude each other: give the folder or the address.")
    remote, root = find_entry(name).remote, data_root(data_dir)
    fetched: list[str] = []
    if remote is not None and source is not None:
        fetched = copy_from(remote, source, root)
    elif remote is not None:
        fetched = download(remote, root, mirrors=mirror, offline=offline)
    folder = remote.folder(root) if remote else None
    if output.json:
        print_json({"name": name, "folder": folder, "fetched": fetched})
    elif folder is None:
        say(f"{name} needs no files: there is nothing to fetch.")
    else:
        done = f"{', '.join(fetched)} fetched" if fetched else "everything was there"
        known = remote is not None and all(file.find(folder) for file in remote.files)
        checked = "every checksum verified" if known else "not the official files, their checksums are not known"
        say(f"{name} is complete in {folder}: {done}, {checked}.")


@app.command()
@command
def convert(
    output: Output,
    name: Annotated[str, typer.Argument(help="The data set: tfd.", show_default=False)],
    file: Annotated[Path, typer.Argument(help="The file as its authors give it.", show_default=False)],
    data_dir: DataDir = None,
) -> None:
    """Convert a data set that cannot be fetched, from the file that its authors give to who asks them.

    Example: gantool data convert tfd TFD_48x48.mat
    """
    from gantool.data.registry import data_root
    from gantool.data.sets.tfd import convert_tfd

    if name != "tfd":
        raise UsageError(f"There is nothing to convert for {name!r}: the data set that needs it is tfd.")
    path = convert_tfd(file, data_root(data_dir))
    output.give({"name": name, "path": path}, lambda: say(f"TFD is ready in {path}."))
