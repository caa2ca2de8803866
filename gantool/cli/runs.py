"""`gantool runs`: what was trained, where it stands, and its best score."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from gantool.cli.command import command
from gantool.cli.options import Output, RunsDir
from gantool.cli.terminal import note, print_json, show, tell
from gantool.tables import Table

if TYPE_CHECKING:
    from gantool.runs import Run


@command
def runs(output: Output, runs_dir: RunsDir = Path("runs")) -> None:
    """List runs with their state and best Parzen score.

    Example: gantool runs
    """
    from gantool.runs import list_runs, unreadable_runs

    found = [(run, _best(run)) for run in list_runs(runs_dir)]
    rows = [_summary(run, best) for run, best in found]
    notes = _unlike([best for _, best in found if best])
    notes += [sentence for run, _ in found for sentence in run.damage(run.evaluations)]
    notes += unreadable_runs(runs_dir)
    if output.json:
        print_json({"runs": rows, "notes": notes})
        return
    if not rows and not notes:
        tell(f"There is no run in {runs_dir} yet; make one with `gantool train`.")
        return
    lines = tuple(
        (
            row["name"],
            row["dataset"],
            row["state"],
            f"{row['step']:,} of {row['total_steps']:,}",
            _score_text(row["best"]),
        )
        for row in rows
    )
    show(Table(("run", "data", "state", "step", "best Parzen score (nats)"), lines))
    for sentence in notes:
        note(sentence)


def _best(run: Run) -> dict[str, Any] | None:
    """The best of a run's Parzen scores that stand on equal terms.

    The terms are the test split before another one, a searched sigma before a given one, and then the most samples:
    across those, a larger number says nothing.
    """
    scores = run.scores("parzen")
    if not scores:
        return None

    def terms(score: dict[str, Any]) -> tuple[bool, bool, int]:
        return score["split"] == "test", score.get("sigma_source") != "given", score["num_samples"]

    foremost = max(map(terms, scores))
    alike = [score for score in scores if terms(score) == foremost]
    return max(alike, key=lambda score: float(score["log_likelihood"]))


def _unlike(scores: list[dict[str, Any]]) -> list[str]:
    """A sentence for each data set whose scores in the table cannot be compared with one another."""
    from gantool.evaluation.compare import differences

    first: dict[str, dict[str, Any]] = {}
    unlike: dict[str, dict[str, None]] = {}
    for score in scores:
        name = score["dataset"]
        for what in differences(first.setdefault(name, score), score):
            unlike.setdefault(name, {})[what] = None
    return [
        f"The best scores on {name} cannot be compared with one another: they differ in {', '.join(what)}."
        for name, what in unlike.items()
    ]


def _summary(run: Run, best: dict[str, Any] | None) -> dict[str, Any]:
    status = run.status()
    kept = ("log_likelihood", "standard_error", "num_samples", "sigma", "sigma_source", "split", "step")
    return {
        "name": run.path.name,
        "path": str(run.path),
        "dataset": run.data.name,
        "state": status.state,
        "step": status.step,
        "total_steps": status.total_steps,
        "best": {key: best.get(key) for key in kept} if best else None,
    }


def _score_text(best: dict[str, Any] | None) -> str:
    """A score is only comparable at equal N, split and σ: they stand beside it."""
    if best is None:
        return "–"
    error = best["standard_error"]
    score = f"{best['log_likelihood']:.1f} ± " + ("–" if error is None else f"{error:.1f}")
    return f"{score} ({best['split']}, N = {best['num_samples']:,}, σ = {best['sigma']:.3g}, step {best['step']:,})"
