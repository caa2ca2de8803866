"""Table 1: this tool's score at several seeds among the paper's rows and the references, each ± by its name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from gantool.data.dataset import Dataset
from gantool.evaluation.parzen.score import ParzenSettings
from gantool.evaluation.seeds import SeedScores, evaluate_runs
from gantool.evaluation.subject import Place
from gantool.evaluation.warnings import PROTOCOL_SAMPLES
from gantool.files import write_json
from gantool.progress import Progress, silent
from gantool.reproduce.curve import Point, curve_of, training_of
from gantool.reproduce.paper import PAPER_UNCERTAINTY, TABLE_1
from gantool.reproduce.training import Plan
from gantool.runs import Run

FILE_NAME = "table1.json"
_REFERENCES = {"training_images": "Real training images", "kmeans_centroids": "k-means centroids"}


@dataclass(frozen=True)
class Row:
    """One line of the table, in nats. `origin` is `paper`, `gantool`, `run` or `reference`.

    `uncertainty` says what `standard_error` is across; None where there is none.
    """

    model: str
    origin: str
    log_likelihood: float
    standard_error: float | None
    uncertainty: str
    num_samples: int
    sigma: float | None = None


@dataclass(frozen=True)
class Table1:
    """The whole table and everything that it depends on. `curve` is on validation rows, the rows on the test set."""

    dataset: str
    configuration: dict[str, Any]
    training: tuple[dict[str, Any], ...]
    curve: tuple[Point, ...]
    rows: tuple[Row, ...]
    ours: SeedScores
    uncertainties: tuple[dict[str, Any], ...]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """The object that `gantool reproduce table1 --json` prints and table1.json holds."""
        return {
            "table": 1,
            "dataset": self.dataset,
            "configuration": self.configuration,
            "training": list(self.training),
            "curve": [asdict(point) for point in self.curve],
            "rows": [asdict(row) for row in self.rows],
            "ours": self.ours.to_dict(),
            "uncertainties": list(self.uncertainties),
            "notes": list(self.notes),
            "warnings": list(self.warnings),
        }


def score_table(plan: Plan, dataset: Dataset, runs: Sequence[Run], place: Place, progress: Progress = silent) -> Table1:
    """Scores the finished runs by the paper's protocol and writes table1.json beside them.

    Each run's last checkpoint is scored on the test split, at 10,000 samples and the sigma of the paper's grid that is
    best on the first 1,000 validation rows: nothing is selected on test rows. Every kept checkpoint is scored on the
    other validation rows.
    """
    ours = evaluate_runs(runs, ParzenSettings(), place, progress=progress)
    warnings = dict.fromkeys(said for record in ours.records for said in record["warnings"])
    table = Table1(
        dataset=plan.column,
        configuration=runs[0].config.to_dict(),
        training=tuple(training_of(run) for run in runs),
        curve=curve_of(runs, dataset, place, progress),
        rows=_rows(plan, runs, ours),
        ours=ours,
        uncertainties=_uncertainties(ours),
        notes=(*_notes(plan, ours), *ours.notes),
        warnings=tuple(warnings),
    )
    write_json(plan.folder / FILE_NAME, table.to_dict())
    return table


def _rows(plan: Plan, runs: Sequence[Run], ours: SeedScores) -> tuple[Row, ...]:
    paper = [
        Row(
            f"{row.model}, the paper",
            "paper",
            row.log_likelihood,
            row.standard_error,
            PAPER_UNCERTAINTY[plan.column],
            PROTOCOL_SAMPLES,
        )
        for row in TABLE_1.get(plan.column, ())
    ]
    first, count = ours.records[0], len(ours.records)
    across = f"across {count} training seeds" if count > 1 else "one seed: no spread"
    error = ours.standard_error_across_seeds
    mean = Row("Adversarial nets, gantool", "gantool", ours.mean, error, across, first["num_samples"])
    single = [
        _scored(f"seed {seed} ({run.path.name})", "run", record, record["test_size"])
        for run, seed, record in zip(runs, ours.seeds, ours.records, strict=True)
    ]
    references = [
        _scored(name, "reference", reference, first["test_size"])
        for key, name in _REFERENCES.items()
        if (reference := first["references"][key]) is not None
    ]
    return (*paper, mean, *single, *references)


def _scored(model: str, origin: str, score: dict[str, Any], rows: int) -> Row:
    return Row(
        model,
        origin,
        score["log_likelihood"],
        score["standard_error"],
        f"across {rows:,} test rows",
        score["num_samples"],
        score["sigma"],
    )


def _uncertainties(ours: SeedScores) -> tuple[dict[str, Any], ...]:
    """The seeds' spread, then what each run's evaluation names apart from it, at its largest over the runs."""
    count = len(ours.records)
    named: dict[str, dict[str, Any]] = {
        "training seed": {
            "name": "training seed",
            "what_varies": "the seed of weights, batches, noise and dropout, and with it the samples",
            "value": ours.standard_error_across_seeds,
            "interval": ours.interval_across_seeds,
            "method": f"std/√{count} over the runs' scores, ddof 1, 95 % by Student's t"
            if count > 1
            else "one seed has no spread",
        }
    }
    for record in ours.records:
        for found in record["uncertainties"]:
            kept = named.get(found["name"])
            largest = kept is None or (found["value"] or 0.0) > (kept["value"] or 0.0)
            if largest and found["name"] != "training seed":
                named[found["name"]] = {**found, "method": f"{found['method']}; the largest of {count} runs"}
    return tuple(named.values())


def _notes(plan: Plan, ours: SeedScores) -> list[str]:
    first = ours.records[0]
    config = plan.config(seed=0)
    notes = [
        f"Trained was the preset {config.name}{', shortened or lengthened' if plan.has_own_length else ''}: "
        f"{config.about}.",
        f"Every run has {first['step']:,} steps, and its last checkpoint was scored on {first['test_size']:,} test "
        f"rows at {first['num_samples']:,} samples, with σ from {first['validation_size']:,} validation rows: nothing "
        f"was selected on test rows.",
    ]
    if plan.column not in TABLE_1:
        notes.append(f"The paper has no column for {plan.column}: only scores of this tool stand in the table.")
    elif plan.column == "mnist":
        notes.append("The paper does not say how long its nets were trained.")
    return notes
