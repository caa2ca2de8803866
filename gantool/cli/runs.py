"""`gantool runs`: what was trained, where it stands, and its best score."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from gantool.cli.shell import DebugFlag, JsonFlag, RunsDir, guarded, print_json, stderr_console

if TYPE_CHECKING:
    from gantool.runs import Run


@guarded
def runs(runs_dir: RunsDir = Path("runs"), json_output: JsonFlag = False, debug: DebugFlag = False) -> None:
    """List runs with their state and best Parzen score.

    Example: gantool runs
    """
    from rich.table import Table

    from gantool.runs import list_runs

    rows = [_summary(run) for run in list_runs(runs_dir)]
    if json_output:
        print_json({"runs": rows})
        return
    console = stderr_console()
    if not rows:
        console.print(f"There is no run in {runs_dir} yet; make one with `gantool train`.", markup=False)
        return
    table = Table("run", "data", "state", "step", "best Parzen score (nats)", box=None)
    for row in rows:
        of = f" of {row['total_steps']:,}" if row["total_steps"] else ""
        table.add_row(row["name"], row["dataset"], row["state"], f"{row['step']:,}{of}", _score_text(row["best"]))
    console.print(table)


def _summary(run: Run) -> dict[str, Any]:
    status = run.status()
    scores = [score for score in run.scores() if score.get("log_likelihood") is not None]
    best = max(scores, key=lambda score: score["log_likelihood"], default=None)
    kept = ("log_likelihood", "standard_error", "num_samples", "sigma", "split", "step")
    return {
        "name": run.path.name,
        "path": str(run.path),
        "dataset": run.data.name,
        "state": status["state"],
        "step": status["step"],
        "total_steps": status["total_steps"],
        "best": {key: best.get(key) for key in kept} if best else None,
    }


def _score_text(best: dict[str, Any] | None) -> str:
    """A score is only comparable at equal N, split and σ: they stand beside it."""
    if best is None:
        return "–"
    score = f"{best['log_likelihood']:.1f} ± {best['standard_error']:.1f}"
    return f"{score} ({best['split']}, N = {best['num_samples']:,}, σ = {best['sigma']:.3g}, step {best['step']:,})"
