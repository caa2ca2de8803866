"""The paper's Figure 1, from a real run: p_data, p_g, D and D*, and where each z goes.

p_g is exact, by the change of variables: p_g(x) = Σ p_z(z)/|G′(z)| over the z with G(z) = x.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy.special import ndtri

from gantool.data.sets.toy import MIXTURES
from gantool.errors import UsageError
from gantool.files import replacing
from gantool.runs import Run
from gantool.runs.checkpoint import checkpoint_steps

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[np.float64]

_EDGE = 5.0  # beyond it the prior N(0, 1) has less than a millionth of its mass
_ARROWS = 25
FRAME_MILLISECONDS = 120


@dataclass(frozen=True)
class Panel:
    """One moment of training. Densities and D are on `x`; `z` and `reached` = G(z) are equally likely draws."""

    step: int
    x: Array
    p_data: Array
    p_g: Array
    d: Array
    d_star: Array
    z: Array
    reached: Array
    monotone: bool


def panel_of(run: Run, step: int) -> Panel:
    """What the run was at a checkpoint. UsageError for a run that is not from one Gaussian number to one number."""
    noise, name = run.config.noise, run.data.name
    if noise.dimension != 1 or noise.distribution != "gaussian" or run.data.shape != (1,) or name not in MIXTURES:
        raise UsageError(f"Figure 1 is drawn of runs of the preset figure1, and {run.path} is another.")
    generator, discriminator = run.load_generator(step=step).double(), run.load_discriminator(step=step).double()
    z = torch.linspace(-_EDGE, _EDGE, 4_001, dtype=torch.float64)[:, None].requires_grad_()
    reached = generator(z)
    (slope,) = torch.autograd.grad(reached.sum(), z)
    data = MIXTURES[name]
    low, high = float(data.means.min() - 4 * data.std.max()), float(data.means.max() + 4 * data.std.max())
    x = torch.linspace(low, high, 801, dtype=torch.float64)
    p_data = data.log_density(x[:, None]).exp().numpy()
    values = [part.detach().numpy().ravel() for part in (z, reached, slope)]
    p_g = pushed_forward(prior(values[0]), values[1], values[2], x.numpy())
    with torch.no_grad():
        d = discriminator(x[:, None]).sigmoid().numpy()
    total = p_data + p_g
    d_star = np.divide(p_data, total, out=np.full_like(total, 0.5), where=total > 1e-300)
    rises = values[2] > 0
    # Equally likely draws: where the arrows are dense, there is much of either density.
    shown = np.searchsorted(values[0], ndtri(np.linspace(0.01, 0.99, _ARROWS)))
    return Panel(
        step,
        x.numpy(),
        p_data,
        p_g,
        d,
        d_star,
        values[0][shown],
        values[1][shown],
        bool(rises.all() or not rises.any()),
    )


def prior(z: Array) -> Array:
    """The density of N(0, 1)."""
    density: Array = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    return density


def pushed_forward(p_z: Array, reached: Array, slope: Array, x: Array) -> Array:
    """The density at `x` of G(z): p_z, G and G′ are known on a fine grid of z.

    G is taken apart into its monotone branches, and each gives p_z/|G′| where it reaches x.
    """
    density = np.zeros_like(x)
    turns = np.flatnonzero(np.diff(np.sign(slope)) != 0) + 1
    for branch in np.split(np.arange(len(p_z)), turns):
        if len(branch) < 2:
            continue
        order = branch if reached[branch[-1]] > reached[branch[0]] else branch[::-1]
        inside = (x >= reached[order[0]]) & (x <= reached[order[-1]])
        density[inside] += np.interp(x[inside], reached[order], (p_z / np.maximum(np.abs(slope), 1e-12))[order])
    return density


@dataclass(frozen=True)
class Colours:
    """On paper or on a dark screen; after the paper's: data dotted black, p_g green, D dashed blue."""

    paper: str
    data: str
    model: str
    judge: str


LIGHT = Colours("#ffffff", "#111111", "#00805a", "#0063a6")
DARK = Colours("#14171a", "#e6e9ec", "#4cc795", "#6cb6ff")


def draw_figure1(run: Run, folder: Path) -> list[Path]:
    """Writes figure1.png, figure1-dark.png, figure1.svg and figure1.gif; the paths.

    The four panels are the first checkpoint, two on the way, and the last.
    """
    steps = checkpoint_steps(run.checkpoints)
    if len(steps) < 4:
        raise UsageError(f"Figure 1 needs four checkpoints, and {run.path} has {len(steps)}.")
    chosen = [panel_of(run, steps[index]) for index in (0, len(steps) // 6, len(steps) // 2, len(steps) - 1)]
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, colours in (("figure1.png", LIGHT), ("figure1-dark.png", DARK), ("figure1.svg", LIGHT)):
        path = folder / name
        with replacing(path) as partial:
            _drawn(chosen, colours).savefig(partial, format=path.suffix[1:], facecolor=colours.paper)
        written.append(path)
    frames = [_page(panel_of(run, step)) for step in steps]
    path = folder / "figure1.gif"
    with replacing(path) as partial:
        frames[0].save(
            partial, format="GIF", save_all=True, append_images=frames[1:], duration=FRAME_MILLISECONDS, loop=0
        )
    return [*written, path]


def _page(panel: Panel) -> Image.Image:
    file = io.BytesIO()
    _drawn([panel], LIGHT).savefig(file, format="png", facecolor=LIGHT.paper)
    return Image.open(file).convert("P")


def _drawn(panels: Sequence[Panel], colours: Colours) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.4 * len(panels) + 0.4, 3.4), dpi=110, layout="constrained")
    grid = figure.subplots(2, len(panels), squeeze=False, sharex="col", height_ratios=[4, 1])
    top = 1.15 * max(1.0, *(float(panel.p_data.max()) for panel in panels))
    for column, panel in enumerate(panels):
        above, below = grid[:, column]
        above.plot(panel.x, panel.p_data, ":", color=colours.data, lw=1.8, label="p_data")
        above.plot(panel.x, panel.p_g, color=colours.model, lw=1.8, label="p_g")
        above.plot(panel.x, panel.d, "--", color=colours.judge, lw=1.4, label="D")
        above.plot(panel.x, panel.d_star, color=colours.judge, lw=3, alpha=0.25, label="D*")
        above.set_ylim(0, top)
        above.set_title(f"step {panel.step:,}", fontsize=9, color=colours.data)
        _arrows(below, panel, colours)
        for axes in (above, below):
            _plain(axes, colours)
    handles, labels = grid[0, 0].get_legend_handles_labels()
    legend = figure.legend(handles, labels, loc="outside upper center", ncols=4, fontsize=8, frameon=False)
    for text in legend.get_texts():
        text.set_color(colours.data)
    return figure


def _arrows(axes: Any, panel: Panel, colours: Colours) -> None:
    """z on the lower line, x = G(z) on the upper one."""
    low, high = panel.x[0], panel.x[-1]
    middle, half = (low + high) / 2, (high - low) / 4
    for z, reached in zip(panel.z, panel.reached, strict=True):
        axes.plot([middle + z / 2.5 * half, reached], [0, 1], color=colours.data, lw=0.6)
    for height, name in ((0, "z"), (1, "x")):
        axes.axhline(height, color=colours.data, lw=0.8)
        axes.text(low, height + 0.08, name, fontsize=8, color=colours.data)
    axes.set_xlim(low, high)
    axes.set_ylim(-0.1, 1.3)


def _plain(axes: Any, colours: Colours) -> None:
    axes.set_facecolor(colours.paper)
    axes.set_yticks([])
    axes.tick_params(colors=colours.data, labelsize=7)
    for spine in axes.spines.values():
        spine.set_visible(False)
