"""The tables of a Parzen score, with all that qualifies it."""

from __future__ import annotations

from typing import Any

from gantool.report.markup import Markup, nats, number, table, tables, tag
from gantool.report.material import is_number
from gantool.report.measures import plain_tables

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
    parts = [_scores(record)]
    if gap := record.get("train_gap"):
        parts.append(_gap(gap))
    if uncertainties := record.get("uncertainties"):
        parts.append(_uncertainties(uncertainties))
    if conditional := record.get("class_conditional"):
        parts += plain_tables("Rows scored by the samples of their own class", conditional)
    return tables(parts)


def class_table(record: dict[str, Any]) -> Markup | None:
    """The numbers behind the chart of classes."""
    rows = [
        [
            str(line.get("label")),
            nats(line.get("log_likelihood")),
            nats(line.get("standard_error")),
            number(line.get("test_size")),
        ]
        for line in record.get("per_class") or []
    ]
    return table(["class", "nats", "±", "rows"], rows, "Score of each class of the rows") if rows else None


def _scores(record: dict[str, Any]) -> Markup:
    lines: list[tuple[str, dict[str, Any]]] = [("these samples", record)]
    if refined := record.get("refined"):
        lines.append(("these samples, refined σ", {"num_samples": record.get("num_samples"), **refined}))
    references = record.get("references") or {}
    for name, key in (("real training images", "training_images"), ("k-means centroids", "kmeans_centroids")):
        if reference := references.get(key):
            lines.append((name, reference))
    if paper := record.get("paper"):
        lines.append(("the paper's adversarial nets", paper))
    rows = [_score_row(name, line, record) for name, line in lines]
    heads = ["samples", "nats", "±", "nats/dim", "σ", "N", ""]
    if not any(row[-1] for row in rows):
        heads, rows = heads[:-1], [row[:-1] for row in rows]
    return table(heads, rows, "Mean log-likelihood of the rows scored; ± is std/√rows", strong=0)


def _score_row(name: str, line: dict[str, Any], record: dict[str, Any]) -> list[str]:
    score, dimension = line.get("log_likelihood"), record.get("dimension")
    density = score / dimension if is_number(score) and is_number(dimension) and score is not None else None
    return [
        name,
        nats(score),
        nats(line.get("standard_error")),
        number(density),
        number(line.get("sigma")),
        number(line.get("num_samples")),
        "" if line.get("num_samples") == record.get("num_samples") else "not comparable: N differs",
    ]


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
