"""A run as a notebook shows it: the last sheet of samples, the losses over training, and its newest score."""

from __future__ import annotations

import base64
import sys
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gantool.runs.directory import Run

_WIDTH, _HEIGHT, _MOST_POINTS = 360, 120, 200
# Colours that can be told apart without colour vision (Okabe and Ito).
_CURVES = (("discriminator_loss", "D loss", "#0072b2"), ("generator_loss", "G loss", "#d55e00"))


def card(run: Run) -> str:
    """HTML with everything inside it, for a cell's output."""
    parts = [f"<strong>{escape(repr(run))}</strong>", _score(run), _curves(run), _sheet(run)]
    return f'<div style="font-family:sans-serif">{"".join(part for part in parts if part)}</div>'


def _score(run: Run) -> str:
    scores = run.scores("parzen")
    if not scores:
        return "<p>not scored yet: gantool eval parzen</p>"
    last = scores[-1]
    error = last.get("standard_error")
    spread = f" ± {error:.1f}" if isinstance(error, (int, float)) else ""
    told = (
        f"{last['log_likelihood']:,.1f}{spread} nats (Parzen, {last['split']}, N = {last['num_samples']:,}, "
        f"σ = {last['sigma']:.3g}, {last.get('impl', 'implementation unknown')}); ± across the rows scored"
    )
    return f"<p>{escape(told)}</p>"


def _curves(run: Run) -> str:
    lines = run.records()
    curves = [(name, colour, _points(lines, key)) for key, name, colour in _CURVES]
    curves = [(name, colour, points) for name, colour, points in curves if len(points) > 1]
    if not curves:
        return ""
    values = [value for _, _, points in curves for _, value in points]
    low, high = min(values), max(values)
    drawn = [
        f'<polyline fill="none" stroke="{colour}" points="{_path(points, low, high)}"/>' for _, colour, points in curves
    ]
    names = [f'<span style="color:{colour}">{name}</span>' for name, colour, _ in curves]
    label = f"losses in nats, {low:.3g} to {high:.3g}, over {lines[-1]['step']:,} steps"
    return (
        f'<svg width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}">'
        f"{''.join(drawn)}</svg><p>{', '.join(names)}: {label}</p>"
    )


def _points(lines: Sequence[dict[str, Any]], key: str) -> list[tuple[int, float]]:
    """(step, value) wherever a line has a finite value: a run that diverged has others."""
    found = [(line["step"], line.get(key)) for line in lines]
    return [
        (step, float(value))
        for step, value in found
        if isinstance(value, (int, float)) and abs(value) <= sys.float_info.max
    ]


def _path(points: Sequence[tuple[int, float]], low: float, high: float) -> str:
    """Points of a polyline, thinned."""
    last, span = max(points[-1][0], 1), (high - low) or 1.0
    thin = points[:: max(1, len(points) // _MOST_POINTS)]
    return " ".join(f"{step / last * _WIDTH:.1f},{(high - value) / span * _HEIGHT:.1f}" for step, value in thin)


def _sheet(run: Run) -> str:
    sheets = {int(path.stem[5:]): path for path in run.samples.glob("step-*.png") if path.stem[5:].isdecimal()}
    if not sheets:
        return ""
    step = max(sheets)
    try:
        content = base64.b64encode(sheets[step].read_bytes()).decode("ascii")
    except OSError:
        return ""
    alt = f"samples at step {step:,}"
    return f'<img alt="{alt}" src="data:image/png;base64,{content}" style="max-width:100%"/>'
