"""The paper's Figures 2 and 3 of finished runs: samples beside training images, and lines in z."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gantool.errors import UsageError
from gantool.evaluation.subject import Place
from gantool.pictures import sheets
from gantool.runs import Run, find_run, list_runs
from gantool.runs.data import load_data
from gantool.sampling import generate, interpolate, nearest_training

# The presets of the paper's pictures; of each, the newest finished run is drawn.
PRESETS = (
    "mnist", "mnist-average", "mnist-long", "tfd-stage2", "tfd-stage2-small", "cifar10-fc", "cifar10-conv",
)  # fmt: skip
_ROWS, _COLUMNS, _STEPS = 5, 6, 10


def runs_to_draw(names: Sequence[str], runs_dir: Path) -> list[Run]:
    """The runs that are named; else the newest finished one of each of the paper's presets.

    UsageError where a named run is not there or holds no images.
    """
    if names:
        runs = [find_run(name, runs_dir) for name in names]
        for run in runs:
            if len(run.data.shape) != 3:
                raise UsageError(f"Figures 2 and 3 show images, and {run.path} is of {run.data.name}.")
        return runs
    finished: dict[str, Run] = {}
    for run in list_runs(runs_dir):  # oldest first
        if run.config.name in PRESETS and run.status().state == "finished":
            finished[run.config.name] = run
    return list(finished.values())


def draw_figures(run: Run, place: Place, folder: Path) -> list[Path]:
    """Writes figure2-NAME.png and figure3-NAME.png, NAME being the run's directory's; the paths.

    Figure 2: rows of samples, not chosen, and at their right the training image nearest to the last one, framed.
    Figure 3: each row goes along a straight line from one z to another.
    """
    dataset = load_data(run, root=place.data_root, offline=place.offline)
    generator = run.load_generator(place.device)
    samples = generate(generator, run.config.noise, _ROWS * _COLUMNS, seed=0, device=place.device).cpu()
    last = samples[_COLUMNS - 1 :: _COLUMNS]
    found = dataset.values(dataset.train.stored[nearest_training(last, dataset)[0]])
    lines = interpolate(generator, run.config.noise, _ROWS, _STEPS, seed=0, device=place.device).cpu()
    paths = [folder / f"figure{number}-{run.path.name}.png" for number in (2, 3)]
    shown, neighbours, between = (sheets.as_pixels(rows, dataset.norm) for rows in (samples, found, lines))
    folder.mkdir(parents=True, exist_ok=True)
    sheets.figure2_sheet(shown.view(_ROWS, _COLUMNS, -1), neighbours, dataset.shape, paths[0])
    sheets.interpolation_strip(between, dataset.shape, paths[1])
    return paths
