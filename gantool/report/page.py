"""The page: what must be seen first comes first, then one article a run."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

import gantool
from gantool.errors import UsageError
from gantool.files import replacing
from gantool.report.comparison import configuration, configuration_differences, refusals
from gantool.report.drawing import Picture
from gantool.report.figures import class_figure, sample_count_figure, sigma_figure, training_figures
from gantool.report.markup import Markup, figure, fold, join, nats, number, table, tag
from gantool.report.material import MEASURES, Material, collect
from gantool.report.measures import measure_tables
from gantool.report.pictures import draw_pictures
from gantool.report.scores import class_table, headline, parzen_tables
from gantool.report.style import CSS
from gantool.runs import Run

# The browser itself then refuses whatever is not in the file: scripts, fonts, pictures from elsewhere.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"

_WHAT_IT_IS_NOT = (
    "A Parzen estimate is not the likelihood: it is biased and noisy in high dimension, ranks k-means centroids above "
    "real data (Theis et al. 2016), grows with N, and depends on σ and on the pixel scale. ± is std/√rows: it leaves "
    "out the samples drawn, the choice of σ and the training seed."
)


def write_report(runs: list[Run], out: Path, *, data_root: Path | None = None) -> dict[str, Any]:
    """Writes one HTML file about the runs, whole or not at all, and says what is in it.

    A part whose data are missing is named on the page and in the result. Raises UsageError where `out` cannot be it.
    """
    if out.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"--out writes .html, but is asked for {out}.")
    if out.is_dir():
        raise UsageError(f"--out {out} is a folder; name a file.")
    if not out.absolute().parent.is_dir():
        raise UsageError(f"--out {out}: the folder {out.parent} is not there; make it first.")
    materials = [collect(run) for run in runs]
    pictures = [draw_pictures(material, data_root) for material in materials]
    page = build_page(materials, pictures)
    with replacing(out) as partial:
        partial.write_text(page, encoding="utf-8")
    reasons = refusals(materials)
    return {
        "report": str(out),
        "bytes": len(page.encode("utf-8")),
        "runs": [_summary(material, why) for material, why in zip(materials, reasons, strict=True)],
    }


def _summary(material: Material, unlike: list[str]) -> dict[str, Any]:
    return {
        "run": str(material.run.path),
        "measures": list(material.scores),
        "alarms": material.alarms,
        "warnings": material.warnings,
        "missing": [vars(part) for part in material.missing],
        "not_comparable": unlike,
    }


def build_page(materials: list[Material], pictures: list[list[Picture]]) -> str:
    """The whole HTML text. `pictures` are those of each run's generator."""
    names = ", ".join(material.name for material in materials)
    title = f"{names}: gantool report"
    articles = [_article(material, drawn, materials) for material, drawn in zip(materials, pictures, strict=True)]
    top = _comparison(materials) if len(materials) > 1 else Markup("")
    kind = "runs" if len(materials) > 1 else "runs one"
    head = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="color-scheme" content="light dark">\n<title>{escape(title)}</title>\n'
        f"<style>{CSS}</style>\n</head>\n<body>\n"
    )
    body = join(
        [
            tag("header", tag("h1", names), tag("p", "gantool report", class_="quiet")),
            tag("main", top, tag("div", join(articles), class_=kind)),
            tag("footer", tag("p", _WHAT_IT_IS_NOT), tag("p", f"gantool {gantool.__version__}"), class_="quiet"),
        ]
    )
    return f"{head}{body}\n</body>\n</html>\n"


def _comparison(materials: list[Material]) -> Markup:
    rows = []
    reasons = refusals(materials)
    first = next((material for material in materials if material.parzen), None)
    for material, why in zip(materials, reasons, strict=True):
        record = material.parzen or {}
        if why:
            verdict = "not comparable, other " + "; ".join(why)
        else:
            verdict = "not scored" if not record else "the first" if material is first else "comparable"
        rows.append(
            [
                material.name,
                nats(record.get("log_likelihood")),
                nats(record.get("standard_error")),
                number(record.get("sigma")),
                number(record.get("num_samples")),
                str(record.get("split") or "–"),
                verdict,
            ]
        )
    heads = ["run", "nats", "±", "σ", "N", "split", "beside the first"]
    parts: list[object] = [tag("h2", "Beside one another")]
    if any(reasons):
        words = "Scores of unlike protocols are listed below, and are not to be compared with one another."
        parts.append(_box("warning", "Not comparable", [words]))
    parts.append(table(heads, rows, "Parzen-window log-likelihood of each run"))
    differences = configuration_differences(materials)
    if differences:
        lines = [[tag("code", key), *(number(value) for value in values)] for key, values in differences.items()]
        parts.append(table(["field", *(m.name for m in materials)], lines, "Where the configurations differ"))
    else:
        parts.append(tag("p", "The configurations are the same."))
    return tag("section", join(parts))


def _article(material: Material, pictures: list[Picture], all_materials: list[Material]) -> Markup:
    # Alone, the run's name is the page's title already.
    name = [tag("h2", material.name)] if len(all_materials) > 1 else []
    parts: list[object] = [*name, tag("p", _facts(material), class_="quiet")]
    if material.alarms:
        parts.append(_box("alarm", "Alarm" if len(material.alarms) == 1 else "Alarms", material.alarms))
    if material.warnings:
        parts.append(_box("warning", "Warnings", material.warnings))
    if material.missing:
        parts.append(_missing(material))
    if record := material.parzen:
        charts = [chart(record) for chart in (sigma_figure, sample_count_figure, class_figure)]
        parts += [tag("h3", MEASURES["parzen"]), headline(record), parzen_tables(record)]
        parts.append(_figures([picture for picture in charts if picture is not None]))
        if classes := class_table(record):
            parts.append(fold("Scores of the classes", classes))
    if pictures:
        parts += [tag("h3", "Pictures"), _figures(pictures)]
    for measure, record in material.scores.items():
        if measure != "parzen":
            title = MEASURES.get(measure, measure.replace("_", " ").capitalize())
            parts += [tag("h3", title), measure_tables(record)]
    if material.notes:
        parts.append(_box("note", "Notes", material.notes))
    if curves := training_figures(material.metrics):
        parts += [tag("h3", "Training"), _figures(curves)]
    parts += _details(material, all_materials)
    return tag("article", join(parts))


def _facts(material: Material) -> str:
    status, training = material.status, material.run.config.training
    total = status.get("total_steps") or 0
    step = f"step {status.get('step', 0):,}" + (f" of {total:,}" if total else "")
    return (
        f"{material.run.data.name}, {status.get('state')}, {step}; {training.order} order, k = {training.k}, "
        f"{training.objective}, batch {training.batch_size}, seed {training.seed}. {material.run.config.about}"
    )


def _box(kind: str, title: str, sentences: list[str]) -> Markup:
    items = [tag("li", sentence) for sentence in sentences]
    return tag("div", tag("strong", title), tag("ul", *items), class_=f"box {kind}")


def _missing(material: Material) -> Markup:
    items = []
    for part in material.missing:
        words: list[object] = [tag("strong", part.part), f": {part.reason.rstrip('.')}."]
        if part.command:
            words += [" Make it with: ", tag("code", part.command)]
        items.append(tag("li", *words))
    return tag("div", tag("strong", "Not in this report"), tag("ul", *items), class_="box missing")


def _figures(pictures: list[Picture]) -> Markup:
    return tag("div", *(figure(picture) for picture in pictures), class_="figures") if pictures else Markup("")


def _details(material: Material, all_materials: list[Material]) -> list[Markup]:
    differing = configuration_differences(all_materials)
    settings = [
        [tag("code", key), tag("mark", number(value)) if key in differing else number(value)]
        for key, value in configuration(material).items()
    ]
    environment = [
        [key, " ".join(value) if isinstance(value, list) else number(value)]
        for key, value in material.environment.items()
    ]
    parts = [fold("Configuration", table(["field", "value"], settings, "The configuration, as --set names it"))]
    if environment:
        parts.append(fold("Environment", table(["what", "value"], environment, "The machine and versions of training")))
    return parts
