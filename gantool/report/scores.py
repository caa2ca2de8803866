"""The tables of a Parzen score, with all that qualifies it."""

from __future__ import annotations

from typing import Any

from gantool.evaluation.parzen.table import score_table
from gantool.report.markup import Markup, nats, number, rendered, table, tables, tag
from gantool.report.measures import plain_tables
from gantool.tables import is_number

_SOURCES = {
    "validation": "chosen on validation rows",
    "leave-one-out": "chosen on the samples, leaving one out",
    "given": "given, not searched",
}


def headline(record: dict[str, Any]) -> Markup:
    """The score in large figures, and what it depends on in a line below."""
    source = str(record.get("sigma_source", "unknown"))
    score = f"{nats(record.get('log_likelihood'))} ± {nats(record.get('standard_error'))}"
    depends = (
        f"N = {number(record.get('num_samples'))} samples, "
        f"σ = {number(record.get('sigma'))} ({_SOURCES.get(source, source)}), "
        f"{number(record.get('test_size'))} rows of {record.get('dataset')} ({record.get('split')}), "
        f"scale {record.get('pixel_scaling')}, {record.get('impl')} on {record.get('device')}"
    )
    return tag("div", tag("p", tag("strong", score), " nats"), tag("p", depends), class_="headline")


def parzen_tables(record: dict[str, Any]) -> Markup:
    """Scores, train-test gap, uncertainties and class-conditional scores: each where the record has it."""
    parts = [rendered(score_table(record))]
    if gap := record.get("train_gap"):
        parts.append(_gap(gap))
    if uncertainties := record.get("uncertainties"):
        parts.append(_uncertainties(uncertainties))
    if conditional := record.get("class_conditional"):
        parts += plain_tables("Rows scored by the samples of their own class", conditional)
    return tables(parts)


def _gap(gap: dict[str, Any]) -> Markup:
    keys = ("train_log_likelihood", "test_log_likelihood", "gap", "standard_error")
    row = [f"{number(gap.get('rows'))} training rows", *(nats(gap.get(key)) for key in keys)]
    heads = ["beside the rows scored", "training", "scored", "gap", "±"]
    return table(heads, [row], "Train-test gap in nats: memorised images make it large")


def _interval(bounds: list[Any] | None) -> str:
    return " to ".join(nats(bound) for bound in bounds) if bounds and all(map(is_number, bounds)) else "–"


def _uncertainties(lines: list[dict[str, Any]]) -> Markup:
    rows = [
        [
            str(line.get("name")),
            nats(line.get("value")),
            _interval(line.get("interval")),
            str(line.get("what_varies")),
            str(line.get("method")),
        ]
        for line in lines
    ]
    heads = ["uncertainty", "± nats", "95 %", "what varies", "method"]
    return table(heads, rows, "Uncertainties of the score, one source at a time; – is not covered")
