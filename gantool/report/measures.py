"""Any measure as its verdict, its sentences, and tables of its numbers: a report knows none of their names."""

from __future__ import annotations

from typing import Any

from gantool.evaluation.measures import MEASURES
from gantool.report.figures import modes_figure
from gantool.report.markup import Markup, figure, fold, join, number, rendered, table, tables, tag
from gantool.tables import Table

# Longer lists of numbers are curves or histograms and no table.
_LONGEST_LIST = 12
# Longer text is a sentence and belongs above the table.
_LONGEST_TEXT = 40
# Told elsewhere on the page, or the same for every measure of a run.
_TOLD = frozenset(
    (
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
        "dataset",
        "differences",
    )
)


def measure_tables(record: dict[str, Any]) -> Markup:
    """The verdict, what the record says in words, and every number; those of a `reference` beside the samples'.

    Where the measure makes tables of its records they come first, and all other figures are folded away.
    """
    parts: list[object] = []
    if verdict := _words(record.get("verdict")):
        parts.append(tag("p", verdict, class_="verdict"))
    if record.get("alarms") and (besides := record.get("differences")):  # a verdict without alarms names them itself
        said = ", and ".join(str(difference) for difference in besides)
        parts.append(tag("p", f"Besides, the samples are told from the data: {said}."))
    told = {key: value for key, value in record.items() if key not in _TOLD}
    sentences = [value for value in told.values() if isinstance(value, str) and len(value) > _LONGEST_TEXT]
    parts += [tag("p", _sentence(text), class_="quiet") for text in sentences]
    counted = record.get("num_samples")
    title = f"N = {number(counted)} samples" if counted is not None else "Figures"
    everything = tables(plain_tables(title, told))
    known = [rendered(own) for own in _known_tables(record)]
    if not known:
        return join([*parts, everything])
    charts = [figure(chart) for chart in (modes_figure(record),) if chart is not None]
    return join([*parts, tables([*known, *charts]), fold("All figures", everything)])


def _known_tables(record: dict[str, Any]) -> list[Table]:
    """Those that the record's measure makes of it; none of a measure that is not known here."""
    measure = MEASURES.get(str(record.get("measure")))
    return measure.tables(record) if measure else []


def plain_tables(title: str, tree: dict[str, Any]) -> list[Markup]:
    """One table of all plain values, then one for each list of objects, at any depth."""
    plain, lists = _walk({key: value for key, value in tree.items() if key != "reference"}, "")
    reference, reference_lists = _walk(tree.get("reference") or {}, "")
    heads = ["quantity", "samples", "reference"] if reference else ["quantity", "value"]
    names = [*plain, *(name for name in reference if name not in plain)]
    rows = [[name, plain.get(name, "–"), *([reference.get(name, "–")] if reference else [])] for name in names]
    found = [table(heads, rows, title)] if rows else []
    for name, items in [*lists.items(), *reference_lists.items()]:
        columns = list(dict.fromkeys(head for item in items for head in item))
        cells = [[number(item.get(head)) for head in columns] for item in items]
        found.append(table([_name(head) for head in columns], cells, _name(name)))
    return found


def _walk(branch: dict[str, Any], prefix: str) -> tuple[dict[str, str], dict[str, list[dict[str, Any]]]]:
    """{name: text} of plain values and {name: objects} of lists, nested names joined by a colon."""
    plain: dict[str, str] = {}
    lists: dict[str, list[dict[str, Any]]] = {}
    for key, value in branch.items():
        name = f"{prefix}{_name(key)}"
        if isinstance(value, dict):
            deeper, further = _walk(value, f"{name}: ")
            plain |= deeper
            lists |= further
        elif isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
            lists[name] = value
        elif isinstance(value, list):
            if 0 < len(value) <= _LONGEST_LIST:
                plain[name] = ", ".join(number(item) for item in value)
        elif value is not None and not (isinstance(value, str) and len(value) > _LONGEST_TEXT):
            plain[name] = number(value)
    return plain, lists


def _words(verdict: Any) -> str:
    if isinstance(verdict, dict):
        return " ".join(str(value) for value in verdict.values() if isinstance(value, str))
    return " ".join(str(part) for part in verdict) if isinstance(verdict, list) else str(verdict or "")


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def _name(key: str) -> str:
    return key.replace("_", " ")
