"""`gantool inpaint`: what is missing of images, or of a table of numbers, filled in by a model of all conditionals."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gantool.cli.command import command
from gantool.cli.infer import RunsFolder, SplitName, Step, file_option
from gantool.cli.options import Output, RunName, Where
from gantool.cli.terminal import say, show, tell, warn
from gantool.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

    from gantool.config.masks import MaskConfig
    from gantool.evaluation.inpainting.score import InpaintingResult
    from gantool.imputation import TableResult
    from gantool.runs import Run

DataFile = Annotated[
    Path | None,
    typer.Option(
        help="Your images, as after `gantool eval parzen --samples`; or a .csv of numbers: its model is trained here.",
        show_default="the run's data",
    ),
]
MaskName = Annotated[
    str | None,
    typer.Option(
        help="What is missing: random:SHARE, half:left, right, top or bottom, box:PIXELS, any; or a .npy file, one "
        "mask for each image or one for all, that is not 0 where a value is missing.",
        show_default="half:right; for a .csv random:0.2, of the known values, to score by",
    ),
]
Draws = Annotated[int, typer.Option(help="How often each row is filled in: the answer is a distribution.")]
RowCount = Annotated[int, typer.Option("--num-samples", "--n", help="Rows to fill in, at most.")]
Steps = Annotated[int, typer.Option(help="Training steps, for a .csv alone.")]
Seed = Annotated[int, typer.Option(help="Draws rows, masks and noise.")]


@command
def inpaint(
    where: Where,
    output: Output,
    run: RunName = None,
    data: DataFile = None,
    mask: MaskName = None,
    draws: Draws = 10,
    num_samples: RowCount = 500,
    steps: Steps = 3_000,
    split: SplitName = "test",
    sheet: Annotated[Path | None, file_option("A PNG: rows, their holes, draws, and their mean.")] = None,
    out: Annotated[Path | None, file_option("The draws: .npz; for a .csv their mean as .csv, or all as .npz.")] = None,
    seed: Seed = 0,
    step: Step = None,
    runs_dir: RunsFolder = Path("runs"),
) -> None:
    """Fill in what is missing, several times, and score it beside the nearest training rows and the mean.

    Needs a run of the preset inpainting or digits-inpainting, or of your own images with data.condition = mask.

    Example: gantool train --preset digits-inpainting, then gantool inpaint --mask half:right --sheet filled.png

    Example: gantool inpaint 3 --data MY_IMAGES/ --mask box:10 --out filled.npz

    Example: gantool inpaint --data table.csv --out filled.csv
    """
    if data is not None and data.suffix.lower() == ".csv":
        _refuse({"RUN": run, "--sheet": sheet, "--step": step})
        result = _of_table(where, data, mask, draws, steps, seed, out, runs_dir)
        output.give(result.to_dict() | {"out": str(out) if out else None}, lambda: _print_table(result, out))
        return
    from gantool.cli.stages import shown_progress
    from gantool.evaluation.inpainting.score import InpaintingSettings
    from gantool.evaluation.measures import measure
    from gantool.evaluation.recording import record
    from gantool.evaluation.subject import subject_of_run
    from gantool.pictures.holes import HolesRequest
    from gantool.runs import find_run

    request, place = HolesRequest(sheet, out), where.place()
    found = find_run(run, runs_dir)
    chosen, given = _mask_of(mask or "half:right", found)
    with shown_progress() as progress:
        scored, rows = None, None
        if data is not None:
            rows = _own_rows(data, found, num_samples)
        else:
            subject = subject_of_run(found, place, split, step)
            assert subject.dataset is not None
            if chosen is not None:
                settings = InpaintingSettings(num_samples, seed, chosen, draws)
                scored = measure("inpainting", subject, settings, progress)
            rows = subject.dataset.values(subject.dataset.split(split).stored[:num_samples])
        written = data is not None or sheet or out or given is not None
        if written:
            _write(found, rows, chosen, given, draws, request, place.device, step, seed)
    answer = scored.to_dict() if scored else {"run": str(found.path), "num_rows": len(rows), "draws": draws}
    files = {"sheet": sheet, "out": out}
    answer |= {name: str(path) if path else None for name, path in files.items()}
    output.give(answer, lambda: _print(scored, len(rows), files))
    if scored is not None:
        for sentence in record(found, scored.to_dict()):
            warn(sentence)


def _refuse(options: dict[str, object]) -> None:
    """Raises UsageError where an option of a run is given beside a table."""
    misplaced = next((name for name, value in options.items() if value is not None), None)
    if misplaced:
        raise UsageError(f"{misplaced} belongs to a run on images; a .csv gets a model of its own: leave it out.")


def _mask_of(text: str, run: Run) -> tuple[MaskConfig | None, Tensor | None]:
    """A mask to draw, or what a file says is known: [1 or N, D] bool."""
    import torch

    from gantool.config.masks import parse_mask
    from gantool.data.formats.npy import read_arrays

    path = Path(text)
    if path.suffix != ".npy":
        mask = parse_mask(text)
        mask.check(run.data.shape, "--mask")
        return mask, None
    (array,) = read_arrays(path).values()
    width = run.data.dimension
    if array.dtype.kind not in "buif" or array.size % width or array.size == 0:
        raise UsageError(
            f"--mask {path} has the shape {list(array.shape)}, but a row of {run.data.name} is {list(run.data.shape)}."
        )
    return None, torch.from_numpy(array.reshape(-1, width) == 0)


def _own_rows(path: Path, run: Run, count: int) -> Tensor:
    from gantool.evaluation.arrays import load_rows

    rows = load_rows(path, "--data").values
    if rows.shape[1] != run.data.dimension:
        raise UsageError(
            f"The rows of {path} have {rows.shape[1]} values, but {run.data.name}, which the run was trained on, has "
            f"{run.data.dimension}: give images of its shape, {list(run.data.shape)}."
        )
    return rows[:count].float()


def _write(
    run: Run,
    rows: Tensor,
    mask: MaskConfig | None,
    given: Tensor | None,
    draws: int,
    request: Any,
    device: Any,
    step: int | None,
    seed: int,
) -> None:
    """Fills in the rows and writes what is asked for."""
    import torch

    from gantool.data.masks import draw_known
    from gantool.sampling import complete

    if mask is not None:
        known = draw_known(mask, len(rows), run.data.shape, torch.Generator().manual_seed(seed))
    else:
        assert given is not None
        if len(given) not in (1, len(rows)):
            raise UsageError(f"--mask holds {len(given)} masks, but there are {len(rows)} rows: give one, or as many.")
        known = given.expand(len(rows), -1)
    generator = run.load_generator(device, step)
    filled = complete(generator, run.config.noise, rows, known, draws, seed=seed, device=device)
    request.write(rows, known, filled, run.data.shape)


def _of_table(
    where: Where, path: Path, mask: str | None, draws: int, steps: int, seed: int, out: Path | None, runs_dir: Path
) -> TableResult:
    import numpy as np

    from gantool.cli.stages import shown_progress
    from gantool.config.masks import parse_mask
    from gantool.data.formats.numeric_csv import read_csv, write_csv
    from gantool.files import check_output, replacing
    from gantool.imputation import TableSettings, fill_table

    chosen = parse_mask(mask or "random:0.2")
    if chosen.kind != "random":
        raise UsageError(f"--mask of a table must be random:SHARE, the share that is hidden to score by, not {mask}.")
    if out is not None:
        check_output("--out", out, (".csv", ".npz"))
    table = read_csv(path)
    with shown_progress() as progress:
        settings = TableSettings(draws, chosen.share, seed, steps)
        result, filled = fill_table(table, settings, runs_dir, where.place().device, progress)
    if out is not None and out.suffix.lower() == ".csv":
        write_csv(out, table, np.where(np.isnan(table.values), filled.mean(axis=0), table.values))
    elif out is not None:
        with replacing(out) as partial, partial.open("wb") as file:
            np.savez(file, allow_pickle=False, filled=filled, missing=np.isnan(table.values))
    return result


def _print(scored: InpaintingResult | None, count: int, files: dict[str, Path | None]) -> None:
    from gantool.evaluation.inpainting.table import inpainting_tables

    if scored is not None:
        rows = f"{scored.num_samples:,} rows of {scored.dataset} ({scored.split})"
        say(
            f"{rows}, of which {scored.missing:.0%} is missing ({scored.mask}), {scored.draws} draws each: {scored.run}"
        )
        say()
        for table in inpainting_tables(scored.to_dict()):
            show(table)
        say()
        say("Over missing values alone; ± is a standard error over rows; the less the better, of the energy score too.")
        if scored.classifier:
            say(f"Class kept: the share that {scored.classifier} takes for their own class.")
        say(f"{scored.impl}, {scored.seconds:.1f} s.")
    else:
        say(f"{count:,} rows are filled in.")
    for name, what in (("sheet", "picture"), ("out", "draws")):
        if files[name]:
            tell(f"{what}: {files[name]}")


def _print_table(result: TableResult, out: Path | None) -> None:
    from gantool.evaluation.inpainting.table import inpainting_tables

    say(f"{result.source}: {result.rows:,} rows, {result.columns} columns, {result.missing:,} values missing")
    say()
    record = result.to_dict() | {"num_samples": result.test_rows, "mask": f"random:{result.share:g}"}
    for table in inpainting_tables(record):
        show(table)
    say()
    say(
        f"Test rows with known values hidden; each method saw the {result.train_rows:,} training rows alone. A value "
        f"counts by its column's range there, as GAIN counts it; ± is a standard error over rows."
    )
    say(f"{result.impl}, {result.seconds:.1f} s. The model: {result.run}")
    if out:
        tell(f"filled in: {out}")
