"""The page: what must be seen first comes first, then one article a run."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

from gantool.evaluation.compare import differences
from gantool.evaluation.parzen.table import class_table
from gantool.files import check_output, replacing
from gantool.progress import Progress, silent
from gantool.report.comparison import configuration, configuration_differences, other_refusals, refusals
from gantool.report.drawing import Picture
from gantool.report.figures import class_figure, sample_count_figure, sigma_figure, training_figures
from gantool.report.markup import Markup, figure, fold, join, nats, number, rendered, table, tag
from gantool.report.material import CURVES, MEASURES, Material, Missing, collect, tell_apart
from gantool.report.measures import measure_tables
from gantool.report.pictures import draw_pictures
from gantool.report.scores import headline, parzen_tables
from gantool.report.style import CSS
from gantool.runs import Run
from gantool.version import __version__

# The browser itself then refuses whatever is not in the file: scripts, fonts, pictures from elsewhere.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"

# What reading a record raises that does not hold what it should.
_DAMAGE = (TypeError, ValueError, LookupError, AttributeError, OverflowError)

_WHAT_IT_IS_NOT = (
    "A Parzen estimate is not the likelihood: it is biased and noisy in high dimension, ranks k-means centroids above "
    "real data (Theis et al. 2016), grows with N, and depends on σ and on the pixel scale. ± is std/√rows: it leaves "
    "out the samples drawn, the choice of σ and the training seed."
)


def write_report(
    runs: list[Run], out: Path, *, data_root: Path | None = None, progress: Progress = silent
) -> dict[str, Any]:
    """Writes one HTML file about the runs, whole or not at all, and says what is in it.

    A part whose data are missing or damaged is named on the page and in the result. Raises UsageError where `out`
    cannot be it.
    """
    check_output("--out", out, (".html", ".htm"))
    materials = [collect(run) for run in runs]
    tell_apart(materials)
    pictures = [draw_pictures(material, data_root, progress) for material in materials]
    progress("charts", 0, 0)
    page = build_page(materials, pictures)
    with replacing(out) as partial:
        partial.write_text(page, encoding="utf-8")
    reasons = [[*own, *others] for own, others in zip(refusals(materials), other_refusals(materials), strict=True)]
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
    """The whole HTML text. `pictures` are those of each run's generator.

    Scores that cannot be shown are taken out of their material and named as missing.
    """
    # First of all, since the comparison needs scores that can be read.
    measured = [_measured(material) for material in materials]
    names = ", ".join(material.name for material in materials)
    title = f"{names}: gantool report"
    parts = zip(materials, pictures, measured, strict=True)
    articles = [_article(material, drawn, sections, materials) for material, drawn, sections in parts]
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
            tag("footer", tag("p", _WHAT_IT_IS_NOT), tag("p", f"gantool {__version__}"), class_="quiet"),
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
    others = zip(materials, other_refusals(materials), strict=True)
    if said := [f"{material.name} has other {'; '.join(why)}." for material, why in others if why]:
        parts.append(_box("warning", "Not comparable with the first run measured", said))
    differences = configuration_differences(materials)
    if differences:
        lines = [[tag("code", key), *(number(value) for value in values)] for key, values in differences.items()]
        parts.append(table(["field", *(m.name for m in materials)], lines, "Where the configurations differ"))
    else:
        parts.append(tag("p", "The configurations are the same."))
    return tag("section", join(parts))


def _measured(material: Material) -> dict[str, list[Markup]]:
    """{measure: its part of the page}."""
    shown = {}
    for measure, record in list(material.scores.items()):
        title = MEASURES.get(measure, measure.replace("_", " ").capitalize())
        try:
            differences(record, record)  # what a comparison with other runs reads
            parts = _parzen(material, record) if measure == "parzen" else [measure_tables(record)]
        except _DAMAGE as error:
            reason = f"its record in evaluations.jsonl cannot be shown ({error})"
            command = material.evaluation(measure) if measure in MEASURES else None
            material.missing.append(Missing(title, reason, command))
            del material.scores[measure]
        else:
            shown[measure] = [tag("h3", title), *parts]
    return shown


def _parzen(material: Material, record: dict[str, Any]) -> list[Markup]:
    charts = [chart(record) for chart in (sigma_figure, sample_count_figure, class_figure)]
    parts = [headline(record), parzen_tables(record)]
    classes = class_table(record)
    parts.append(_charts(material, [picture for picture in charts if picture is not None]))
    return [*parts, fold("Scores of the classes", rendered(classes))] if classes else parts


def _training(material: Material) -> list[Markup]:
    try:
        curves = training_figures(material.metrics)
    except _DAMAGE as error:
        material.missing.append(Missing(CURVES, f"metrics.jsonl cannot be shown ({error})"))
        return []
    return [tag("h3", "Training"), _charts(material, curves)] if curves else []


def _article(
    material: Material, pictures: list[Picture], measured: dict[str, list[Markup]], all_materials: list[Material]
) -> Markup:
    training = _training(material)
    # Alone, the run's name is the page's title already.
    name = [tag("h2", material.name)] if len(all_materials) > 1 else []
    parts: list[object] = [*name, tag("p", _facts(material), class_="quiet")]
    if material.alarms:
        parts.append(_box("alarm", "Alarm" if len(material.alarms) == 1 else "Alarms", material.alarms))
    if material.warnings:
        parts.append(_box("warning", "Warnings", material.warnings))
    if material.missing:
        parts.append(_missing(material))
    parts += measured.pop("parzen", [])
    if pictures:
        parts += [tag("h3", "Pictures"), _figures(pictures)]
    for section in measured.values():
        parts += section
    if material.notes:
        parts.append(_box("note", "Notes", material.notes))
    parts += training
    parts += _details(material, all_materials)
    return tag("article", join(parts))


def _facts(material: Material) -> str:
    status, training = material.status, material.run.config.training
    step = f"step {status.step:,} of {status.total_steps:,}"
    config = material.run.config
    return (
        f"{material.run.data.name}, {status.state}, {step}; {training.order} order, k = {training.k}, "
        f"{config.objective.name}, batch {training.batch_size}, seed {training.seed}. {config.about}"
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


def _charts(material: Material, pictures: list[Picture]) -> Markup:
    """The charts; one that cannot be drawn is named as missing, and says in words what it would show."""
    material.missing += [Missing(picture.title, picture.fault) for picture in pictures if picture.fault]
    return _figures(pictures)


def _details(material: Material, all_materials: list[Material]) -> list[Markup]:
    differing = configuration_differences(all_materials)
    settings = [
        [tag("code", key), tag("mark", number(value)) if key in differing else number(value)]
        for key, value in configuration(material).items()
    ]
    environment = [
        [key, " ".join(map(str, value)) if isinstance(value, list) else number(value)]
        for key, value in material.environment.items()
    ]
    parts = [fold("Configuration", table(["field", "value"], settings, "The configuration, as --set names it"))]
    if environment:
        parts.append(fold("Environment", table(["what", "value"], environment, "The machine and versions of training")))
    return parts
