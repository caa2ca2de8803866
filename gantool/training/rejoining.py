"""From which step runs that were trained side by side can go on together."""

from __future__ import annotations

from collections.abc import Sequence

from gantool.errors import UsageError
from gantool.runs import Run
from gantool.runs.checkpoint import checkpoint_steps
from gantool.training.record.member import Intervals


def common_step(runs: Sequence[Run]) -> int | None:
    """The newest step of which every run has a checkpoint; for one run None, its newest.

    Raises UsageError where the runs' total lengths differ, where there is no such step, or where a run is farther ahead
    of it than by the checkpoint that it had written when the others were killed: more than that was trained alone, and
    would be lost.
    """
    if len(runs) == 1:
        return None
    totals = {run.path.name: run.total_steps for run in runs}
    if len(set(totals.values())) > 1:
        said = ", ".join(f"{name} {total:,}" for name, total in totals.items())
        raise UsageError(
            f"The replicas are no longer of one length in steps ({said}): give one with --steps or --epochs."
        )
    common = set.intersection(*(set(checkpoint_steps(run.checkpoints)) for run in runs))
    if not common:
        names = ", ".join(totals)
        raise UsageError(f"There is no step of which all replicas have a checkpoint ({names}); resume them one by one.")
    start = max(common)
    interval = Intervals.of(runs[0].config.training, runs[0].data.rows["train"]).checkpoint
    for run in runs:
        newest = run.latest_step() or 0
        if newest - start > interval:
            raise UsageError(
                f"The replica {run.path} is at step {newest:,}, and the newest checkpoint that all have is of step "
                f"{start:,}; train the others up to it one by one, or delete its later checkpoints."
            )
    return start
