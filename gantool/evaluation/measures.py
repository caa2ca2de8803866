"""The measures by name, and what all of them share: the time they take, and whose samples they judged."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from gantool.evaluation.augmentation.score import AugmentationSettings, augmentation_of
from gantool.evaluation.augmentation.table import augmentation_tables
from gantool.evaluation.bayes.score import BayesSettings, bayes_of
from gantool.evaluation.bayes.table import bayes_tables
from gantool.evaluation.diversity.score import DiversitySettings, diversity_of
from gantool.evaluation.diversity.table import diversity_tables
from gantool.evaluation.features.score import features_of
from gantool.evaluation.features.sources import FeatureSettings
from gantool.evaluation.features.table import distance_tables
from gantool.evaluation.inference.score import InferenceSettings, inference_of
from gantool.evaluation.inference.table import inference_tables
from gantool.evaluation.inpainting.score import InpaintingSettings, inpainting_of
from gantool.evaluation.inpainting.table import inpainting_tables
from gantool.evaluation.labels.score import LabelsSettings, labels_of
from gantool.evaluation.labels.table import labels_tables
from gantool.evaluation.parzen.score import ParzenSettings, parzen_of
from gantool.evaluation.parzen.table import parzen_tables
from gantool.evaluation.subject import Subject
from gantool.isolation import own_modes
from gantool.progress import Progress, silent
from gantool.tables import Table


class Measure(NamedTuple):
    """`name` is the word in evaluations.jsonl and on the command line; `score` makes a result of a subject; `headline`
    are the few figures that stand for a record, by their names in the table of a sweep; `tables` makes those of a
    record that the terminal and the report show. `repeated` names settings that a record holds, beside num_samples and
    seed: a sweep takes a record for its own only where all of them are equal.

    A result is a frozen dataclass with the fields `run`, `step` and `seconds`, and `to_dict` for --json.
    """

    name: str
    settings: type
    score: Callable[[Subject, Any, Progress], Any]
    headline: Callable[[Mapping[str, Any]], dict[str, float | None]]
    tables: Callable[[Mapping[str, Any]], list[Table]]
    repeated: tuple[str, ...] = ()


def _of_parzen(record: Mapping[str, Any]) -> dict[str, float | None]:
    by_class = record.get("class_conditional") or {}
    return {"Parzen, nats": record["log_likelihood"], "by class, nats": by_class.get("log_likelihood")}


def _of_features(record: Mapping[str, Any]) -> dict[str, float | None]:
    names = {"frechet_distance": "Fréchet distance", "precision": "precision", "recall": "recall"}
    return {shown: record.get(name) for name, shown in names.items()}


def _of_diversity(record: Mapping[str, Any]) -> dict[str, float | None]:
    modes, copies = record.get("modes"), record.get("memorisation") or {}
    found: dict[str, float | None] = {}
    if modes:
        names = {"captured": "modes", "high_quality": "good samples", "kl": "reverse KL"}
        found = {shown: modes.get(name) for name, shown in names.items()}
    if not modes or modes.get("high_quality") is None:
        found |= {"near-duplicates": record["duplicates"]["near_share"], "near copies": copies.get("close_share")}
    return found


def _of_bayes(record: Mapping[str, Any]) -> dict[str, float | None]:
    own = [line for line in record["predictions"] if line["name"] == "these samples"]
    return {f"mistakes, σ by {line['chosen_by']}": line["error"] for line in own}


def _of_augmentation(record: Mapping[str, Any]) -> dict[str, float | None]:
    return {f"mistakes on {line['name']}": line["wrong"] for line in record["lessons"]}


def _of_labels(record: Mapping[str, Any]) -> dict[str, float | None]:
    return {f"mistakes of {line['classifier']}": line["test"] for line in record["mistakes"]}


def _of_inpainting(record: Mapping[str, Any]) -> dict[str, float | None]:
    own, mask = record["fillings"][0], record["mask"]
    return {
        f"RMSE, {mask}": own["rmse"],
        f"energy score, {mask}": own["energy_score"],
        f"class kept, {mask}": own["agreement"],
    }


def _of_inference(record: Mapping[str, Any]) -> dict[str, float | None]:
    names = {
        "reconstruction": "‖x − G(E(x))‖",
        "code_error": "‖z − E(G(z))‖",
        "code_accuracy": "1-NN by codes",
        "hidden_accuracy": "1-NN by hidden",
    }
    return {shown: record.get(name) for name, shown in names.items()}


MEASURES = {
    measure.name: measure
    for measure in (
        Measure("parzen", ParzenSettings, parzen_of, _of_parzen, parzen_tables),
        Measure("features", FeatureSettings, features_of, _of_features, distance_tables),
        Measure("inference", InferenceSettings, inference_of, _of_inference, inference_tables),
        Measure("inpainting", InpaintingSettings, inpainting_of, _of_inpainting, inpainting_tables, ("mask", "draws")),
        Measure("labels", LabelsSettings, labels_of, _of_labels, labels_tables),
        Measure("augmentation", AugmentationSettings, augmentation_of, _of_augmentation, augmentation_tables),
        Measure("bayes", BayesSettings, bayes_of, _of_bayes, bayes_tables),
        Measure("diversity", DiversitySettings, diversity_of, _of_diversity, diversity_tables),
    )
}


@own_modes()
def measure(name: str, subject: Subject, settings: Any, progress: Progress = silent) -> Any:
    """The result of a measure, with the run and the step that were judged and the seconds that it took."""
    started = time.monotonic()
    result = MEASURES[name].score(subject, settings, progress)
    run = str(subject.run.path) if subject.run else None
    return replace(result, run=run, step=subject.step, seconds=time.monotonic() - started)
