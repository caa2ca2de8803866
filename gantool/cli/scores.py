"""How a Parzen score is shown: the score among its references, the sigma curve, and what must be said beside it."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from gantool.cli.terminal import note, say, show, warn
from gantool.tables import Table, score_and_error

if TYPE_CHECKING:
    from gantool.evaluation.parzen.result import ParzenResult, Uncertainty

_BAR_WIDTH = 28


def print_result(result: ParzenResult) -> None:
    """Prints the whole result."""
    from gantool.evaluation.parzen.table import parzen_tables

    subject = f"{result.run} at step {result.step:,}" if result.run and result.step is not None else "the samples"
    rows = f"{result.test_size:,} rows of {result.dataset}" + (f" ({result.split})" if result.split != "data" else "")
    say(f"Parzen-window log-likelihood of {rows} under {subject}")
    tables = parzen_tables(result.to_dict())
    if result.sigma_curve:
        tables.insert(1, _curve(result))
    for table in tables:
        say()
        show(table)
    say()
    for sentence in _reading(result):
        say(sentence)
    for sentence in result.notes:
        note(sentence)
    for sentence in result.warnings:
        warn(sentence)


def _curve(result: ParzenResult) -> Table:

    values = [point.log_likelihood for point in result.sigma_curve]
    best = max(values)
    # One sigma that is absurdly far off must not make all other bars alike.
    low = max(min(values), best - 3 * (best - median(values)))
    width = (best - low) or 1.0
    rows = []
    for point in result.sigma_curve:
        bar = "█" * round(max(0.0, point.log_likelihood - low) / width * _BAR_WIDTH)
        mark = f"{' ' if bar else ''}← {'given' if result.sigma_source == 'given' else 'chosen'}"
        here = point.sigma == result.sigma
        rows.append((f"{point.sigma:.4g}", f"{point.log_likelihood:,.1f}", bar + (mark if here else "")))
    chosen = [point.sigma for point in result.sigma_curve].index(result.sigma)
    chosen_on = "samples, left out" if result.sigma_source == "leave-one-out" else "validation rows"
    return Table(("σ", f"nats on {result.validation_size:,} {chosen_on}", ""), tuple(rows), strong=chosen)


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
        score, error = score_and_error(conditional.log_likelihood, conditional.standard_error)
        said.append(f"By the samples of its own class each row scores {score} ± {error} on average.")
    left_out = f"; at most {result.remainder:.1e} nats were left out of a log-density" if result.remainder else ""
    return [*said, f"Computed in {result.seconds:.1f} s on {result.device}, {result.impl}{left_out}."]


def _uncertainty(source: Uncertainty) -> str:
    if source.value is None:
        return f"{source.name}: {source.method}."
    interval = f", 95 % in {source.interval[0]:,.1f} … {source.interval[1]:,.1f}" if source.interval else ""
    return f"{source.name}: ± {source.value:.2g}{interval} ({source.method})."
