"""What `gantool infer` writes of rows: their codes, their reconstructions, and images between two of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gantool.errors import UsageError
from gantool.files import check_output, replacing
from gantool.inference import Method, between, check_method, decode, encode
from gantool.pictures import sheets
from gantool.progress import Progress, silent
from gantool.runs import Run

_MOST_PAIRS, _PAIR_COLUMNS, _STEPS, _MOST_LINES = 60, 6, 10, 30


@dataclass(frozen=True)
class CodesRequest:
    """What to write: `sheet`, each row beside its reconstruction, and `interpolate`, from the first row to the second,
    from the third to the fourth …, are .png files; `out` is an .npz of the rows' codes."""

    sheet: Path | None = None
    interpolate: Path | None = None
    out: Path | None = None

    def __post_init__(self) -> None:
        kinds = {"sheet": (".png",), "interpolate": (".png",), "out": (".npz",)}
        for name, suffixes in kinds.items():
            if (path := getattr(self, name)) is not None:
                check_output(f"--{name}", path, suffixes)


def write_codes(
    run: Run,
    rows: Tensor,
    request: CodesRequest,
    method: Method,
    device: torch.device,
    *,
    step: int | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Encodes rows [N, D] in the data's units, writes what is asked for, and says how far reconstructions are.

    Raises UsageError for rows of another width, and where there is no such encoder.
    """
    if rows.shape[1] != run.data.dimension:
        raise UsageError(
            f"The rows have {rows.shape[1]} values, but {run.data.name}, which the run was trained on, has "
            f"{run.data.dimension}: give rows of its shape, {list(run.data.shape)}."
        )
    if request.interpolate and len(rows) < 2:
        raise UsageError("--interpolate goes from one row to the next: give two rows at least.")
    generator = run.load_generator(device, step)
    check_method(method, generator)
    noise, shape = run.config.noise, run.data.shape
    codes = encode(generator, noise, rows.float().to(device), method, seed=seed, progress=progress)
    reconstructed = decode(generator, codes).cpu()
    if request.out:
        with replacing(request.out) as partial, partial.open("wb") as file:
            np.savez(file, allow_pickle=False, codes=codes.cpu().numpy())
    if request.sheet:
        shown, beside = rows[:_MOST_PAIRS].float(), reconstructed[:_MOST_PAIRS]
        sheets.neighbour_sheet(shown, beside, shape, _PAIR_COLUMNS, request.sheet)
    if request.interpolate:
        lines = min(len(codes) // 2, _MOST_LINES)
        way = between(noise, codes[0 : 2 * lines : 2], codes[1 : 2 * lines : 2], _STEPS)
        images = decode(generator, way.flatten(0, 1)).cpu().view(lines, _STEPS, -1)
        ends = rows[: 2 * lines].float().view(lines, 2, -1)
        sheets.interpolation_strip(torch.cat([ends[:, :1], images, ends[:, 1:]], dim=1), shape, request.interpolate)
    distances = torch.linalg.vector_norm(rows.double() - reconstructed.double(), dim=1)
    return {
        "run": str(run.path),
        "step": run.latest_step() if step is None else step,
        "method": method,
        "num_rows": len(rows),
        "reconstruction": float(distances.mean()),
        "sheet": _text(request.sheet),
        "interpolate": _text(request.interpolate),
        "out": _text(request.out),
    }


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
