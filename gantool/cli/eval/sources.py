"""What every measure does: find whose samples are judged, measure, print, and record a run's result in the run."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gantool.cli.options import Output, Source
from gantool.cli.terminal import tell, warn

if TYPE_CHECKING:
    from gantool.evaluation.array_files import ArrayFiles
    from gantool.evaluation.subject import Place
    from gantool.runs import Run


def measured(
    name: str,
    run: str | None,
    source: Source,
    files: ArrayFiles | None,
    settings: Any,
    place: Place,
    show: Callable[[Any], None],
    output: Output,
) -> None:
    """Measures a run (None: the newest) or, where they are given, the user's files."""
    from gantool.cli.stages import shown_progress
    from gantool.evaluation.measures import measure
    from gantool.evaluation.subject import subject_of_files, subject_of_run
    from gantool.runs import find_run

    found = None if files else find_run(run, source.runs_dir)
    with shown_progress() as progress:
        if found is not None:
            subject = subject_of_run(found, place, source.split, source.step)
        else:
            assert files is not None  # there is a run, or there are files
            subject = subject_of_files(files, place, source.split)
        result = measure(name, subject, settings, progress)
    answer = result.to_dict()
    output.give(answer, lambda: show(result))
    if found is not None:
        _keep(found, answer)


def _keep(run: Run, result: dict[str, Any]) -> None:
    """Records a result that was printed, and says where, or why it could not."""
    from gantool.evaluation.recording import record

    failures = record(run, result)
    for sentence in failures:
        warn(sentence)
    if not failures:
        tell(f"Recorded in {run.evaluations}.")
