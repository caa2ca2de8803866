"""The charts of a report: σ, N, classes, modes, and training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, median
from typing import TYPE_CHECKING, Any

from gantool.report.drawing import Picture, Theme, plain_ticks, render
from gantool.report.markup import nats
from gantool.tables import is_number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# V where p_g = p_data and D = 1/2 everywhere (Goodfellow et al. 2014, Theorem 1).
EQUILIBRIUM_VALUE = -math.log(4.0)

# A curve of more lines than this is drawn through the means of equal stretches: an SVG point costs 20 bytes.
_MOST_POINTS = 400


def sigma_figure(record: dict[str, Any]) -> Picture | None:
    """The mean log-likelihood of the validation rows over σ, with the chosen and the refined σ and the references."""
    points = _points(record, "sigma_curve", "sigma", "log_likelihood")
    if not points or not is_number(record.get("sigma")) or not is_number(record.get("log_likelihood")):
        return None
    rows = record.get("split", "scored")
    chosen_on = "samples, one left out" if record.get("sigma_source") == "leave-one-out" else "validation rows"
    sigma, score = record["sigma"], record["log_likelihood"]
    refined = record.get("refined") or {}
    marks = _reference_marks(record)
    sigmas, values = zip(*points, strict=True)
    best_sigma, best = max(points, key=lambda point: point[1])

    def draw(axes: Axes, theme: Theme) -> None:
        axes.set_xscale("log")
        axes.plot(sigmas, values, "o-", ms=3.5, color=theme.series[0], label=chosen_on)
        if sigma in sigmas:
            at = values[sigmas.index(sigma)]
            axes.plot([sigma], [at], "o", ms=10, mfc="none", mew=1.8, color=theme.series[0], label=f"σ = {sigma:.4g}")
        if is_number(refined.get("sigma")) and is_number(refined.get("validation_log_likelihood")):
            place = ([refined["sigma"]], [refined["validation_log_likelihood"]])
            axes.plot(*place, "*", ms=11, color=theme.series[3], label=f"refined σ = {refined['sigma']:.4g}")
        axes.plot([sigma], [score], "s", ms=5, color=theme.series[1], label=f"{rows} rows, {nats(score)}")
        for (name, at, height, _), marker in zip(marks, "Dv", strict=False):
            axes.plot([at], [height], marker, ms=6, color=theme.series[2], label=f"{name}, {nats(height)}")
        # One σ that is far off must not flatten the part that matters.
        low = max(min(values), best - 3.0 * (best - median(values)))
        high = max([best, score, *(mark[2] for mark in marks)])
        axes.set_ylim(low - 0.05 * (high - low or 1.0), high + 0.08 * (high - low or 1.0))
        plain_ticks(axes)
        axes.set_xlabel("σ, in the data's units")
        axes.set_ylabel("nats")

    alt = (
        f"Line chart of the mean log-likelihood of the {chosen_on} over {len(points)} values of σ from "
        f"{min(sigmas):.4g} to {max(sigmas):.4g}: it is highest, {best:,.1f} nats, at σ = {best_sigma:.4g}."
    )
    alt += "".join(f" {name}: {height:,.1f} nats at σ = {at:.4g}." for name, at, height, _ in marks)
    unlike = [f"{name} stand on N = {count:,}" for name, _, _, count in marks if count != record.get("num_samples")]
    caption = f"The curve is of the {chosen_on}; single marks are of the rows scored, each at its own σ."
    if unlike:
        said = " and ".join(unlike)
        caption += f" {said[0].upper()}{said[1:]}: not comparable with the score."
    return render("Score over σ", alt, caption, draw)


def sample_count_figure(record: dict[str, Any]) -> Picture | None:
    """The score over the number of samples N, at the chosen σ."""
    curve = [point for point in record.get("sample_curve") or [] if is_number(point.get("log_likelihood"))]
    if len(curve) < 2:
        return None
    counts = [point["num_samples"] for point in curve]
    scores = [point["log_likelihood"] for point in curve]
    errors = [point.get("standard_error") or 0.0 for point in curve]

    def draw(axes: Axes, theme: Theme) -> None:
        axes.set_xscale("log")
        axes.errorbar(counts, scores, errors, fmt="o-", ms=3.5, capsize=2.5, color=theme.series[0])
        plain_ticks(axes)
        axes.set_xlabel("N, the number of samples")
        axes.set_ylabel("nats")

    alt = (
        f"Line chart of the log-likelihood over the number of samples: {scores[0]:,.1f} nats with {counts[0]:,} "
        f"samples, {scores[-1]:,.1f} with {counts[-1]:,}."
    )
    caption = "N decides as much as the model does: compare scores at one N only. Bars are the ± of the table."
    return render("Score over N", alt, caption, draw)


def class_figure(record: dict[str, Any]) -> Picture | None:
    """The score of each class of the rows, with its standard error."""
    classes = [line for line in record.get("per_class") or [] if is_number(line.get("log_likelihood"))]
    if not classes:
        return None
    labels = [str(line.get("label")) for line in classes]
    scores = [line["log_likelihood"] for line in classes]
    errors = [line.get("standard_error") or 0.0 for line in classes]

    def draw(axes: Axes, theme: Theme) -> None:
        axes.bar(labels, scores, color=theme.series[0], yerr=errors, ecolor=theme.ink, capsize=2.5, width=0.7)
        axes.axhline(0.0, lw=0.8, color=theme.ink)
        axes.set_xlabel("class")
        axes.set_ylabel("nats")

    told = ", ".join(f"{label}: {score:,.1f}" for label, score in zip(labels, scores, strict=True))
    alt = f"Bar chart of the log-likelihood of the rows of each class, in nats. {told}."
    return render("Score of each class", alt, "The mean over the rows of each class, under all samples.", draw)


def modes_figure(record: dict[str, Any]) -> Picture | None:
    """The share of the samples in each mode, with the data's own as a mark."""
    modes = record.get("modes") or {}
    counts, expected, names = (modes.get(key) or [] for key in ("counts", "expected_shares", "modes"))
    if not counts or len(counts) != len(expected) or len(counts) != len(names) or sum(counts) == 0:
        return None
    shares = [count / sum(counts) for count in counts]
    labels = [str(name) for name in names]

    def draw(axes: Axes, theme: Theme) -> None:
        axes.bar(labels, shares, color=theme.series[0], width=0.7, label="samples")
        axes.plot(labels, expected, "D", ms=5, color=theme.series[1], label="data")
        axes.set_xlabel("mode")
        axes.set_ylabel("share")

    told = ", ".join(f"{label}: {share:.1%}" for label, share in zip(labels, shares, strict=True))
    alt = f"Bar chart of the share of samples in each mode, with the data's share marked. {told}."
    return render("Modes", alt, "How often each mode occurs among the samples, and among the data.", draw)


def training_figures(metrics: list[dict[str, Any]]) -> list[Picture]:
    """Losses, value, D's means, and a chart for every further number that was logged."""
    losses = {"discriminator_loss": "D loss", "generator_loss": "G loss"}
    means = {"real_probability": "D(x), real", "fake_probability": "D(G(z)), generated"}
    memory = {
        "discriminator_on_training": "training rows",
        "discriminator_on_validation": "validation rows",
    }
    optimum = _optimum(metrics)
    drawn = [
        _curves("Losses", metrics, losses, "nats"),
        _curves("Value of the game", metrics, {"value": "V(D, G)"}, "", level=optimum),
        _curves("What D believes", metrics, means, "D", level=(0.5, "1/2") if optimum[1] == "−log 4" else None),
        _curves("What D believes of rows that it learned from, and of others", metrics, memory, "D, dropout off"),
    ]
    known = {
        *losses,
        *means,
        *memory,
        "value",
        "optimum",
        "step",
        "epoch",
        "learning_rate",
        "momentum",
        "images_per_second",
        "seconds",
    }
    further = [key for line in metrics for key, value in line.items() if key not in known and is_number(value)]
    for key in dict.fromkeys(further):
        name = key.replace("_", " ")
        drawn.append(_curves(name[0].upper() + name[1:], metrics, {key: name}, ""))
    return [picture for picture in drawn if picture is not None]


def _optimum(metrics: list[dict[str, Any]]) -> tuple[float, str]:
    """The value at both players' best, and its name. Runs of before it was written have −log 4."""
    value = next((line["optimum"] for line in metrics if is_number(line.get("optimum"))), EQUILIBRIUM_VALUE)
    return value, "−log 4" if math.isclose(value, EQUILIBRIUM_VALUE) else f"{value:.3g}"


def _curves(
    title: str,
    metrics: list[dict[str, Any]],
    names: dict[str, str],
    unit: str,
    level: tuple[float, str] | None = None,
) -> Picture | None:
    series = {label: _points({"lines": metrics}, "lines", "step", key) for key, label in names.items()}
    series = {label: points for label, points in series.items() if points}
    if not series:
        return None
    from matplotlib.ticker import MaxNLocator

    stretch = max(math.ceil(len(points) / _MOST_POINTS) for points in series.values())

    def draw(axes: Axes, theme: Theme) -> None:
        for (label, points), colour in zip(series.items(), theme.series, strict=False):
            steps, values = zip(*_means(points, stretch), strict=True)
            marker = "o" if len(steps) == 1 else ""
            axes.plot(steps, values, lw=1.4, marker=marker, color=colour, label=label)
        if level is not None:
            axes.axhline(level[0], ls="--", lw=1.2, color=theme.series[-1], label=level[1])
        axes.set_xlabel("step")
        axes.set_ylabel(unit)
        axes.xaxis.set_major_formatter(lambda step, _: f"{step:,.0f}")
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))

    told = []
    for label, points in series.items():
        (first, before), (last, after) = points[0], points[-1]
        told.append(f"{label} goes from {before:.3g} at step {first:,} to {after:.3g} at step {last:,}")
    alt = f"Line chart over training: {'; '.join(told)}." + (f" A dashed line marks {level[1]}." if level else "")
    caption = f"Each point is the mean of {stretch} logged lines." if stretch > 1 else ""
    return render(title, alt, caption, draw)


def _points(record: dict[str, Any], curve: str, x: str, y: str) -> list[tuple[float, float]]:
    lines = record.get(curve) or []
    return [(line[x], line[y]) for line in lines if is_number(line.get(x)) and is_number(line.get(y))]


def _reference_marks(record: dict[str, Any]) -> list[tuple[str, float, float, int]]:
    """(name, sigma, log-likelihood, N) of each reference that there is."""
    references = record.get("references") or {}
    named = (("real training images", "training_images"), ("k-means centroids", "kmeans_centroids"))
    found = [(name, references.get(key) or {}) for name, key in named]
    return [
        (name, reference["sigma"], reference["log_likelihood"], reference["num_samples"])
        for name, reference in found
        if is_number(reference.get("sigma")) and is_number(reference.get("log_likelihood"))
    ]


def _means(points: Sequence[tuple[float, float]], stretch: int) -> list[tuple[float, float]]:
    """Means of every `stretch` points; the last stretch may be shorter."""
    parts = [points[start : start + stretch] for start in range(0, len(points), stretch)]
    return [(fmean(x for x, _ in part), fmean(y for _, y in part)) for part in parts]
