"""The tables of a report: Parzen scores with all that qualifies them, and any other measure as its numbers."""

from __future__ import annotations

from typing import Any

from gantool.report.markup import Markup, join, nats, number, table, tag
from gantool.report.material import is_number

# Longer lists of numbers are curves or histograms and no table.
_LONGEST_LIST = 12
# Told elsewhere on the page, or of no use there.
_TOLD = {
    "measure",
    "warnings",
    "notes",
    "alarms",
    "verdict",
    "run",
    "step",
    "seconds",
    "device",
    "impl",
    "seed",
    "paper",
}


def headline(record: dict[str, Any]) -> Markup:
    """The score in large figures, and what it depends on in a line below."""
    how = {
        "validation": "chosen on validation rows",
        "leave-one-out": "chosen on the samples, leaving one out",
        "given": "given, not searched",
    }
    source = str(record.get("sigma_source", "unknown"))
    score = f"{nats(record.get('log_likelihood'))} ± {nats(record.get('standard_error'))}"
    depends = (
        f"N = {number(record.get('num_samples'))} samples, "
        f"σ = {number(record.get('sigma'))} ({how.get(source, source)}), "
        f"{number(record.get('test_size'))} rows of {record.get('dataset')} ({record.get('split')}), "
        f"scale {record.get('pixel_scaling')}, {record.get('impl')} on {record.get('device')}"
    )
    return tag("div", tag("p", tag("strong", score), " nats"), tag("p", depends), class_="headline")


def parzen_tables(record: dict[str, Any]) -> Markup:
    """Scores, uncertainties, score over N, the train-test gap and the classes: each where the record has it."""
    parts: list[Markup] = [_scores(record)]
    if uncertainties := record.get("uncertainties"):
        rows = [
            [
                str(line.get("name")),
                nats(line.get("value")),
                _interval(line),
                line.get("what_varies"),
                line.get("method"),
            ]
            for line in uncertainties
        ]
        heads = ["uncertainty", "± nats", "95 %", "what varies", "method"]
        parts.append(table(heads, rows, "Uncertainties of the score, one source at a time; – is not covered"))
    if gap := record.get("train_gap"):
        parts.append(_numbers("Train-test gap (memorisation makes it large)", gap))
    if classes := record.get("per_class"):
        rows = [
            [
                str(line.get("label")),
                nats(line.get("log_likelihood")),
                nats(line.get("standard_error")),
                number(line.get("test_size")),
            ]
            for line in classes
        ]
        parts.append(table(["class", "nats", "±", "rows"], rows, "Score of each class of the rows"))
    if conditional := record.get("class_conditional"):
        parts.append(join(_tables("Class-conditional score", conditional)))
    return join(parts)


def other_tables(title: str, record: dict[str, Any]) -> Markup:
    """Any measure: its verdict, then every number that it holds, then every list of objects as a table."""
    parts: list[object] = []
    if verdict := record.get("verdict"):
        parts.append(tag("p", verdict if isinstance(verdict, str) else _verdict(verdict), class_="verdict"))
    parts += _tables(title, {key: value for key, value in record.items() if key not in _TOLD})
    return join(parts)


def _verdict(verdict: Any) -> str:
    if isinstance(verdict, dict):
        return str(verdict.get("sentence") or verdict.get("text") or verdict.get("name") or "")
    return " ".join(str(part) for part in verdict)


def _scores(record: dict[str, Any]) -> Markup:
    dimension = record.get("dimension")
    lines: list[tuple[str, dict[str, Any]]] = [("these samples", record)]
    if refined := record.get("refined"):
        lines.append(("these samples, refined σ", {"num_samples": record.get("num_samples"), **refined}))
    references = record.get("references") or {}
    for name, key in (("real training images", "training_images"), ("k-means centroids", "kmeans_centroids")):
        if reference := references.get(key):
            lines.append((name, reference))
    if paper := record.get("paper"):
        lines.append(("the paper's adversarial nets", paper))
    rows = []
    for name, line in lines:
        score = line.get("log_likelihood")
        density = score / dimension if is_number(score) and is_number(dimension) and score is not None else None
        rows.append(
            [
                name,
                nats(score),
                nats(line.get("standard_error")),
                number(density),
                number(line.get("sigma")),
                number(line.get("num_samples")),
                "" if line.get("num_samples") == record.get("num_samples") else "not comparable: N differs",
            ]
        )
    heads = ["samples", "nats", "±", "nats/dim", "σ", "N", ""]
    if not any(row[-1] for row in rows):
        heads, rows = heads[:-1], [row[:-1] for row in rows]
    return table(heads, rows, "Mean log-likelihood of the test rows; ± is std/√rows", strong=0)


def _tables(title: str, tree: dict[str, Any]) -> list[Markup]:
    """One table of all plain values, then one for each list of objects, at any depth."""
    plain: list[list[str]] = []
    tables: list[Markup] = []

    def walk(branch: dict[str, Any], prefix: str) -> None:
        for key, value in branch.items():
            name = f"{prefix}{key.replace('_', ' ')}"
            if isinstance(value, dict):
                walk(value, f"{name}: ")
            elif isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
                heads = list(dict.fromkeys(head for item in value for head in item))
                rows = [[number(item.get(head)) for head in heads] for item in value]
                tables.append(table([head.replace("_", " ") for head in heads], rows, f"{title}: {name}"))
            elif isinstance(value, list):
                if 0 < len(value) <= _LONGEST_LIST:
                    plain.append([name, ", ".join(number(item) for item in value)])
            elif value is not None:
                plain.append([name, number(value)])

    walk(tree, "")
    first = [table(["quantity", "value"], plain, title)] if plain else []
    return first + tables


def _numbers(title: str, tree: dict[str, Any]) -> Markup:
    return join(_tables(title, tree))


def _interval(line: dict[str, Any]) -> str:
    bounds = line.get("interval")
    return " to ".join(nats(bound) for bound in bounds) if bounds else "–"
