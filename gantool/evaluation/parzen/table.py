"""The tables of a Parzen record, as `gantool eval parzen --json` prints it and evaluations.jsonl keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gantool.tables import Table, is_number, number, score_and_error

_DIFFERS = "not comparable: N differs"


def parzen_tables(record: Mapping[str, Any]) -> list[Table]:
    """The score among its references, its growth with the samples, and the classes: each where the record has it."""
    return [table for table in (score_table(record), growth_table(record), class_table(record)) if table is not None]


def score_table(record: Mapping[str, Any]) -> Table:
    """The score among what it is read beside: its refinement, the references, the paper's."""
    lines: list[tuple[str, Mapping[str, Any]]] = [("these samples", record)]
    if refined := record.get("refined"):
        lines.append(("these samples, σ refined", {"num_samples": record.get("num_samples"), **refined}))
    references = record.get("references") or {}
    for name, key in (("real training images", "training_images"), ("k-means centroids", "kmeans_centroids")):
        if reference := references.get(key):
            lines.append((name, reference))
    if paper := record.get("paper"):
        lines.append(("the paper's nets", paper))
    rows = [_score_row(name, line, record) for name, line in lines]
    headings: tuple[str, ...] = ("samples", "nats", "±", "nats/dim", "σ", "N", "")
    if not any(row[-1] for row in rows):
        headings, rows = headings[:-1], [row[:-1] for row in rows]
    return Table(headings, tuple(rows), "Mean log-likelihood of the rows scored; ± is std/√rows", strong=0)


def _score_row(name: str, line: Mapping[str, Any], record: Mapping[str, Any]) -> tuple[str, ...]:
    score, dimension = line.get("log_likelihood"), record.get("dimension")
    per_dimension = f"{score / dimension:.3f}" if is_number(score) and is_number(dimension) else "–"
    figures = score_and_error(score, line.get("standard_error"))
    differs = "" if line.get("num_samples") == record.get("num_samples") else _DIFFERS
    return name, *figures, per_dimension, number(line.get("sigma")), number(line.get("num_samples")), differs


def growth_table(record: Mapping[str, Any]) -> Table | None:
    """The score over the number of samples; None where there is one point alone."""
    points = record.get("sample_curve") or []
    if len(points) < 2:
        return None
    rows = tuple((number(at.get("num_samples")), *_figures(at)) for at in points)
    return Table((f"samples, σ = {number(record.get('sigma'))}", "nats", "±"), rows, "Score over the number of samples")


def class_table(record: Mapping[str, Any]) -> Table | None:
    """Each class by all samples and, where the samples have classes, by its own; None without labels."""
    classes = record.get("per_class") or []
    if not classes:
        return None
    rows: list[tuple[str, ...]]
    rows = [(number(at.get("label")), number(at.get("test_size")), *_figures(at)) for at in classes]
    headings: tuple[str, ...] = ("class", "rows", "nats", "±")
    if conditional := record.get("class_conditional"):
        own = {at.get("label"): at for at in conditional.get("per_class") or []}
        headings = (*headings, "nats by its own samples", "±", "of N")
        rows = [(*row, *_own_figures(own.get(at.get("label")))) for row, at in zip(rows, classes, strict=True)]
    return Table(headings, tuple(rows), "Score of each class of the rows")


def _own_figures(own: Mapping[str, Any] | None) -> tuple[str, str, str]:
    return (*_figures(own), number(own.get("num_samples"))) if own else ("", "", "0")


def _figures(line: Mapping[str, Any]) -> tuple[str, str]:
    return score_and_error(line.get("log_likelihood"), line.get("standard_error"))
