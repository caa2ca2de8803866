"""How a Parzen score is shown: the score among its references, the sigma curve, and what must be said beside it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from gantool.evaluation.density import Progress
    from gantool.evaluation.parzen import ParzenResult, Reference

_BAR_WIDTH = 32


def print_result(result: ParzenResult, console: Console) -> None:
    """Prints the whole result."""
    subject = f"{result.run} at step {result.step:,}" if result.run and result.step is not None else "the samples"
    rows = f"{result.test_size:,} rows of {result.dataset}" + (f" ({result.split})" if result.split != "data" else "")
    console.print(f"Parzen-window log-likelihood of {rows} under {subject}", markup=False, soft_wrap=True)
    console.print()
    console.print(_scores(result))
    if result.sigma_curve:
        console.print()
        console.print(_curve(result))
    console.print()
    for sentence in _reading(result):
        console.print(sentence, markup=False, soft_wrap=True)
    for sentence in result.notes:
        console.print(f"Note: {sentence}", markup=False, soft_wrap=True)
    for sentence in result.warnings:
        console.print(f"Warning: {sentence}", markup=False, soft_wrap=True, style="yellow")
    if result.run:
        where = f"Recorded in {result.run}/evaluations.jsonl; pictures are in {result.run}/samples."
        console.print(where, markup=False, soft_wrap=True)


def _scores(result: ParzenResult) -> Table:
    from rich.table import Table

    table = Table(box=None)
    table.add_column("samples")
    for name in ("nats", "±", "nats/dim", "σ", "N"):
        table.add_column(name, justify="right")
    for name, line in _lines(result):
        table.add_row(
            name,
            f"{line.log_likelihood:,.1f}",
            f"{line.standard_error:.1f}",
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
    if result.references.training_images:
        lines.append(("real training images", result.references.training_images))
    if result.references.kmeans_centroids:
        lines.append(("k-means centroids", result.references.kmeans_centroids))
    return lines


def _curve(result: ParzenResult) -> Table:
    from rich.table import Table

    values = [point.log_likelihood for point in result.sigma_curve]
    best = max(values)
    # One sigma that is absurdly far off must not make all other bars alike.
    low = max(min(values), best - 3 * (best - median(values)))
    width = (best - low) or 1.0
    table = Table(box=None)
    table.add_column("σ", justify="right")
    table.add_column(f"nats on {result.validation_size:,} validation rows", justify="right")
    table.add_column("")
    for point in result.sigma_curve:
        here = point.sigma == result.sigma
        bar = "█" * round(max(0.0, point.log_likelihood - low) / width * _BAR_WIDTH)
        mark = f"{' ' if bar else ''}← {'chosen' if result.sigma_source == 'validation' else 'given'}" if here else ""
        style = "bold" if here else None
        table.add_row(f"{point.sigma:.4g}", f"{point.log_likelihood:,.1f}", bar + mark, style=style)
    return table


def _reading(result: ParzenResult) -> list[str]:
    source = "chosen on validation rows" if result.sigma_source == "validation" else "given, not searched"
    return [
        f"Parzen estimate at N = {result.num_samples:,} and σ = {result.sigma:.4g} ({source}); not the likelihood; "
        f"only comparable at equal N, σ protocol and pixel scale ({result.pixel_scaling}).",
        f"± is std/√{result.test_size:,} across the rows scored: it leaves out the samples drawn, the choice of σ and "
        f"the training seed.",
        f"Computed in {result.seconds:.1f} s on {result.device}, {result.impl}.",
    ]


@contextmanager
def shown_progress(console: Console) -> Iterator[Progress]:
    """A callback that moves a bar on a terminal; elsewhere it prints the one stage that takes long."""
    if not console.is_terminal:

        def say(stage: str, done: int, total: int) -> None:
            if total == 0:
                console.print(f"{stage} …", markup=False, soft_wrap=True)

        yield say
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("loading", total=None)

        def move(stage: str, done: int, total: int) -> None:
            # A total of 0 stands for a stage whose length is not known: the bar rests, the clock runs.
            bar.update(task, description=stage, completed=done, total=total or 1)

        yield move
