"""How a Parzen score is shown: the score among its references, the sigma curve, and what must be said beside it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING

from gantool.cli.terminal import note, say, show, warn

if TYPE_CHECKING:
    from rich.table import Table

    from gantool.evaluation.result import ParzenResult, Reference, Uncertainty

_BAR_WIDTH = 28


def print_result(result: ParzenResult) -> None:
    """Prints the whole result."""
    subject = f"{result.run} at step {result.step:,}" if result.run and result.step is not None else "the samples"
    rows = f"{result.test_size:,} rows of {result.dataset}" + (f" ({result.split})" if result.split != "data" else "")
    say(f"Parzen-window log-likelihood of {rows} under {subject}")
    say()
    show(_scores(result))
    for table in _tables(result):
        say()
        show(table)
    say()
    for sentence in _reading(result):
        say(sentence)
    for sentence in result.notes:
        note(sentence)
    for sentence in result.warnings:
        warn(sentence)


def _scores(result: ParzenResult) -> Table:
    from rich.table import Table

    table = Table(box=None)
    table.add_column("samples", no_wrap=True)
    for name in ("nats", "±", "nats/dim", "σ", "N"):
        table.add_column(name, justify="right")
    for name, line in _lines(result):
        table.add_row(
            name,
            *_figures(line.log_likelihood, line.standard_error),
            f"{line.log_likelihood / result.dimension:.3f}",
            f"{line.sigma:.4g}",
            f"{line.num_samples:,}",
            style="bold" if line is result else None,
        )
    if result.paper:
        paper = result.paper
        score, error = f"{paper['log_likelihood']:.1f}", f"{paper['standard_error']:.1f}"
        table.add_row(
            "the paper's nets", score, error, f"{paper['log_likelihood'] / result.dimension:.3f}", "validation",
            f"{paper['num_samples']:,}",
        )  # fmt: skip
    return table


def _lines(result: ParzenResult) -> list[tuple[str, ParzenResult | Reference]]:
    lines: list[tuple[str, ParzenResult | Reference]] = [("these samples", result)]
    if refined := result.refined:
        lines.append(
            (
                "these samples, σ refined",
                replace(
                    result,
                    sigma=refined.sigma,
                    log_likelihood=refined.log_likelihood,
                    standard_error=refined.standard_error,
                ),
            )
        )
    if result.references.training_images:
        lines.append(("real training images", result.references.training_images))
    if result.references.kmeans_centroids:
        lines.append(("k-means centroids", result.references.kmeans_centroids))
    return lines


def _tables(result: ParzenResult) -> Iterator[Table]:
    if result.sigma_curve:
        yield _curve(result)
    if len(result.sample_curve) > 1:
        yield _plain(
            (f"samples, σ = {result.sigma:.4g}", "nats", "±"),
            [(f"{at.num_samples:,}", *_figures(at.log_likelihood, at.standard_error)) for at in result.sample_curve],
        )
    if result.per_class:
        yield _classes(result)


def _classes(result: ParzenResult) -> Table:
    """Each class by all samples, and where those have classes by its own."""
    conditional = result.class_conditional
    if conditional is None:
        return _plain(
            ("class", "rows", "nats", "±"),
            [
                (str(at.label), f"{at.test_size:,}", *_figures(at.log_likelihood, at.standard_error))
                for at in result.per_class
            ],
        )
    own = {at.label: at for at in conditional.per_class}
    lines = []
    for at in result.per_class:
        line = (str(at.label), f"{at.test_size:,}", *_figures(at.log_likelihood, at.standard_error))
        of_class = own.get(at.label)
        more = ("", "", "0")
        if of_class:
            figures = _figures(of_class.log_likelihood, of_class.standard_error)
            more = (*figures, f"{of_class.num_samples:,}")
        lines.append((*line, *more))
    return _plain(("class", "rows", "nats", "±", "nats by its own samples", "±", "of N"), lines)


def _figures(value: float, error: float | None) -> tuple[str, str]:
    if error is None:  # one row
        return f"{value:,.1f}", "–"
    # As many decimals as show the error: in two dimensions a tenth of a nat is much.
    decimals = 1 if error >= 0.1 or error == 0 else min(4, 1 - math.floor(math.log10(error)))
    return f"{value:,.{decimals}f}", f"{error:.{decimals}f}"


def _plain(names: Sequence[str], lines: Sequence[Sequence[str]]) -> Table:
    from rich.table import Table

    table = Table(box=None)
    for name in names:
        table.add_column(name, justify="right")
    for line in lines:
        table.add_row(*line)
    return table


def _curve(result: ParzenResult) -> Table:
    from rich.table import Table

    values = [point.log_likelihood for point in result.sigma_curve]
    best = max(values)
    # One sigma that is absurdly far off must not make all other bars alike.
    low = max(min(values), best - 3 * (best - median(values)))
    width = (best - low) or 1.0
    table = Table(box=None)
    table.add_column("σ", justify="right")
    rows = "samples, left out" if result.sigma_source == "leave-one-out" else "validation rows"
    table.add_column(f"nats on {result.validation_size:,} {rows}", justify="right")
    table.add_column("")
    for point in result.sigma_curve:
        here = point.sigma == result.sigma
        bar = "█" * round(max(0.0, point.log_likelihood - low) / width * _BAR_WIDTH)
        mark = f"{' ' if bar else ''}← {'given' if result.sigma_source == 'given' else 'chosen'}" if here else ""
        style = "bold" if here else None
        table.add_row(f"{point.sigma:.4g}", f"{point.log_likelihood:,.1f}", bar + mark, style=style)
    return table


_SOURCES = {
    "validation": "chosen on validation rows",
    "leave-one-out": "chosen by leave-one-out on the samples",
    "given": "given, not searched",
}


def _reading(result: ParzenResult) -> list[str]:
    across = f"std/√{result.test_size:,} across the rows scored"
    if result.standard_error is None:
        across = "missing, since one row is scored and shows no spread"
    said = [
        f"Parzen estimate at N = {result.num_samples:,} and σ = {result.sigma:.4g} ({_SOURCES[result.sigma_source]}); "
        f"not the likelihood; only comparable at equal N, σ protocol and pixel scale ({result.pixel_scaling}).",
        f"± is {across}: it leaves out the samples drawn, the choice of σ and the training seed.",
        "Uncertainties of the score in nats:",
        *(f"  {_uncertainty(source)}" for source in result.uncertainties),
    ]
    if gap := result.train_gap:
        said.append(
            f"{gap.rows:,} training rows score {gap.train_log_likelihood:,.1f}, {gap.gap:+,.1f} ± "
            f"{gap.standard_error:.1f} beside the rows scored."
        )
    if (conditional := result.class_conditional) and conditional.log_likelihood is not None:
        score, error = _figures(conditional.log_likelihood, conditional.standard_error)
        said.append(f"By the samples of its own class each row scores {score} ± {error} on average.")
    left_out = f"; at most {result.remainder:.1e} nats were left out of a log-density" if result.remainder else ""
    return [*said, f"Computed in {result.seconds:.1f} s on {result.device}, {result.impl}{left_out}."]


def _uncertainty(source: Uncertainty) -> str:
    if source.value is None:
        return f"{source.name}: {source.method}."
    interval = f", 95 % in {source.interval[0]:,.1f} … {source.interval[1]:,.1f}" if source.interval else ""
    return f"{source.name}: ± {source.value:.2g}{interval} ({source.method})."
