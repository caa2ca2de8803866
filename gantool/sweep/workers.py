"""The runs of a sweep in worker processes, one a core. A run's own folder holds all that the next command needs."""

from __future__ import annotations

import multiprocessing
import queue
import signal
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch

from gantool.config import DataConfig, RunConfig
from gantool.data import Dataset, load_dataset
from gantool.errors import GantoolError
from gantool.evaluation.measures import MEASURES, measure
from gantool.evaluation.recording import record
from gantool.evaluation.subject import Place, subject_of_run
from gantool.runs import Run
from gantool.runs.matching import all_matching, find_matching
from gantool.runs.status import read_ending
from gantool.training.record.divergence import Diverged
from gantool.training.record.member import Observer, Silent
from gantool.training.session import Outcome, resume_run, start_run
from gantool.training.signals import StopRequest


@dataclass(frozen=True)
class Job:
    """One run to train to its end and to measure: `label` names it to a reader, `measures` are names and settings."""

    number: int
    label: str
    config: RunConfig
    folder: Path
    measures: tuple[tuple[str, Any], ...]
    place: Place


@dataclass(frozen=True)
class Done:
    """What became of a job: `finished` with a record a measure, `diverged` with the reason, `stopped`, or `failed` with
    a sentence or, where the program is at fault, a traceback."""

    number: int
    label: str
    state: str
    run: str = ""
    records: tuple[dict[str, Any], ...] = ()
    reason: str = ""
    seconds: float = 0.0


def play(jobs: Sequence[Job], workers: int, stop: StopRequest, report: Callable[[Done], None]) -> None:
    """Does the jobs, each in one of `workers` processes with a thread of its own, and reports each as it ends.

    When `stop` is asked for, runs in hand are saved and reported as stopped. Raises GantoolError where a worker
    process ends by itself.
    """
    context = multiprocessing.get_context("spawn")
    waiting: Any = context.Queue()
    ended: Any = context.Queue()
    for each in [*jobs, *[None] * workers]:
        waiting.put(each)
    processes = [context.Process(target=_work, args=(waiting, ended)) for _ in range(min(workers, len(jobs)))]
    for process in processes:
        process.start()
    left = len(jobs)
    with _ended_with(processes):
        while left and not stop():
            try:
                report(ended.get(timeout=0.2))
                left -= 1
            except queue.Empty:
                _require_alive(processes)
        if stop():
            for process in processes:
                process.terminate()
        while any(process.is_alive() for process in processes):  # a queue that nobody empties keeps its writer alive
            _drain(ended, report)
        _drain(ended, report)


@contextmanager
def _ended_with(processes: Sequence[BaseProcess]) -> Iterator[None]:
    """Whatever happens inside, no process is left behind."""
    try:
        yield
    finally:
        for process in processes:
            if process.is_alive():
                process.kill()
            process.join()


def _drain(ended: Any, report: Callable[[Done], None]) -> None:
    try:
        report(ended.get(timeout=0.2))
    except queue.Empty:
        return


def _require_alive(processes: Sequence[BaseProcess]) -> None:
    for process in processes:
        if process.exitcode not in (None, 0):
            raise GantoolError(
                f"A worker process ended by itself (exit code {process.exitcode}; −9 is often a lack of memory). The "
                f"same command goes on from the last checkpoints; fewer --workers take less memory."
            )


def _work(waiting: Any, ended: Any) -> None:
    """A worker process: it does jobs until there is none. Ctrl-C is the parent's to answer; SIGTERM saves and ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    while (job := waiting.get()) is not None:
        done = do(job)
        ended.put(done)
        if done.state == "stopped":
            return


def do(job: Job) -> Done:
    """Trains a job's run to its end, unless it is there, and measures it, unless it has been."""
    try:
        dataset = _dataset(job.config.data, job.place.data_root, job.place.offline)
        run = find_matching(job.folder, job.config)
        if run is None or run.status().state != "finished":
            if reason := _divergence(job):
                return Done(job.number, job.label, "diverged", reason=reason)  # and would again
            outcome = _train(run, job, dataset)
            if outcome.signal_number is not None:
                return Done(job.number, job.label, "stopped", str(outcome.run.path))
            run = outcome.run
        records = tuple(_measured(run, name, settings, job.place) for name, settings in job.measures)
        return Done(job.number, job.label, "finished", str(run.path), records, seconds=_seconds(run))
    except Diverged as error:
        return Done(job.number, job.label, "diverged", reason=str(error))
    except GantoolError as error:
        return Done(job.number, job.label, "failed", reason=str(error))
    except Exception:  # the parent tells it: a worker that ends without a word would say less
        return Done(job.number, job.label, "failed", reason=traceback.format_exc())


def _divergence(job: Job) -> str:
    """Why a run of this job diverged, if one did."""
    endings = [read_ending(run.path) for run in all_matching(job.folder, job.config)]
    reasons = [ending.reason for ending in endings if ending and ending.reason]
    return next((reason for reason in reasons if reason.startswith(Diverged.OPENING)), "")


@lru_cache(maxsize=4)
def _dataset(data: DataConfig, root: Path | None, offline: bool) -> Dataset:
    return load_dataset(data, root=root, offline=offline)


def _train(run: Run | None, job: Job, dataset: Dataset) -> Outcome:
    def observe(run: Run, total_steps: int) -> Observer:
        return Silent()

    if run is not None:
        return resume_run(run, dataset, job.place.device, observe)
    return start_run(job.config, dataset, job.place.device, job.folder, observe)


def _measured(run: Run, name: str, settings: Any, place: Place) -> dict[str, Any]:
    """The run's record of this measure at these settings, of the last step or, where one is kept, of the best look's;
    measured where there is none."""
    step = run.best_step() if run.config.training.keep_best == "parzen" else run.latest_step()
    names = ("num_samples", "seed", *MEASURES[name].repeated)
    wanted = {key: str(getattr(settings, key)) for key in names} | {"step": str(step)}
    for found in run.scores(name):
        if {key: str(found.get(key)) for key in wanted} == wanted:
            return found
    result: dict[str, Any] = measure(name, subject_of_run(run, place, "test", step), settings).to_dict()
    record(run, result)
    return result


def _seconds(run: Run) -> float:
    lines = run.records()
    return float(lines[-1]["seconds"]) if lines else 0.0
