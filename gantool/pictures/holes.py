"""What `gantool inpaint` writes of rows: what was filled in, as numbers and as a picture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gantool.files import check_output, replacing
from gantool.pictures.sheets import sheet

_GREY, _MOST_ROWS, _MOST_DRAWS = 0.5, 12, 8


@dataclass(frozen=True)
class HolesRequest:
    """What to write: `sheet`, a .png with a line for each row: the row, the row with its hole in grey, draws and their
    mean; `out`, an .npz of the rows filled in."""

    sheet: Path | None = None
    out: Path | None = None

    def __post_init__(self) -> None:
        for name, suffix in (("sheet", ".png"), ("out", ".npz")):
            if (path := getattr(self, name)) is not None:
                check_output(f"--{name}", path, (suffix,))

    def write(self, rows: Tensor, known: Tensor, draws: Tensor, shape: tuple[int, ...]) -> None:
        """Rows [N, D] in the data's units, what is known of them [N, D] bool, and `draws` [S, N, D]."""
        if self.out:
            arrays = {"filled": draws.numpy(), "missing": (~known).numpy()}
            with replacing(self.out) as partial, partial.open("wb") as file:
                np.savez(file, allow_pickle=False, **arrays, shape=np.array(shape))
        if self.sheet:
            shown = slice(0, _MOST_ROWS)
            holed = torch.where(known, rows, torch.full_like(rows, _GREY))
            columns = [rows[shown], holed[shown], *draws[:_MOST_DRAWS, shown], draws.mean(dim=0)[shown]]
            sheet(torch.stack(columns, dim=1).flatten(0, 1), shape, len(columns), self.sheet)
