"""Run directories: making, finding and reading them.

<runs>/0001-mnist/  config.json  dataset.json  environment.json  metrics.jsonl  evaluations.jsonl  samples/*.png
                    checkpoints/step-*/  (while it trains, a lock; where it ended early, ending.json; and replicas.json:
                    see gantool.locks, gantool.runs.status and gantool.replicas)
<runs>/latest       a link to the newest: a convenience, which nothing relies on

Torch is imported where networks are loaded: what runs there are, and how they stand, can be asked without it.
"""

from __future__ import annotations

import os
import re
import shutil
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gantool.config import RunConfig
from gantool.errors import GantoolError, UsageError
from gantool.files import append_json_line, read_json_lines, write_json
from gantool.runs.checkpoint import checkpoint_steps, find_checkpoint, read_checkpoint
from gantool.runs.facts import DataFacts
from gantool.runs.status import Status, status_of

if TYPE_CHECKING:
    import torch

    from gantool.data.dataset import Dataset
    from gantool.models import Discriminator, Generator

LATEST = "latest"


@dataclass(frozen=True, repr=False)
class Run:
    """A run directory that exists. In a notebook it shows itself with pictures, curves and score."""

    path: Path
    config: RunConfig
    data: DataFacts

    def __repr__(self) -> str:
        status = self.status()
        return (
            f"Run({str(self.path)!r}: {self.config.name} on {self.data.name}, {status.state} at step {status.step:,} "
            f"of {status.total_steps:,})"
        )

    def _repr_html_(self) -> str:
        from gantool.runs.card import card

        return card(self)

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def samples(self) -> Path:
        return self.path / "samples"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.jsonl"

    def latest_step(self) -> int | None:
        """The newest checkpoint's step, or None where there is no checkpoint yet."""
        steps = checkpoint_steps(self.checkpoints)
        return steps[-1] if steps else None

    @property
    def total_steps(self) -> int:
        """The run's length in iterations, as configured."""
        return self.config.training.total_steps(self.data.rows["train"])

    def status(self) -> Status:
        """Where the run stands, by its newest checkpoint."""
        return status_of(self.path, self.latest_step(), self.total_steps)

    def load_generator(self, device: torch.device | str = "cpu", step: int | None = None) -> Generator:
        """The generator of the newest checkpoint, or of `step`'s, in evaluation mode; its averaged weights where there
        are such.

        Raises UsageError where there is no such checkpoint, GantoolError where it is damaged.
        """
        import torch

        from gantool.isolation import own_modes
        from gantool.models import build_generator, conditions_of

        with own_modes():
            mean = torch.full((self.data.dimension,), 0.5, dtype=torch.float32, device="cpu")  # a checkpoint's is read
            empty = build_generator(
                self.config.generator,
                self.config.noise.dimension,
                mean,
                torch.Generator(),
                self.data.shape,
                condition=conditions_of(self.config, self.data.label_counts, self.data.dimension)[0],
                inference=self.config.inference,
            )
            empty.symmetric = self.config.data.scale == "symmetric"
            empty.label_counts = self.data.label_counts if self.config.data.condition == "label" else ()
            self._load(empty, "average" if self.config.training.average else "generator", step)
            return empty.to(device).eval()

    def load_discriminator(self, device: torch.device | str = "cpu", step: int | None = None) -> Discriminator:
        """The discriminator, as :meth:`load_generator` does."""
        import torch

        from gantool.isolation import own_modes
        from gantool.models import build_discriminator, conditions_of

        with own_modes():
            own, pack = self.config.discriminator, self.config.training.pack
            condition = conditions_of(self.config, self.data.label_counts, self.data.dimension)[1]
            empty = build_discriminator(own, self.data.shape, torch.Generator(), pack, condition)
            averaged = self.config.training.average_discriminator
            self._load(empty, "average_discriminator" if averaged else "discriminator", step)
            return empty.to(device).eval()

    def sample(
        self, count: int, *, seed: int = 0, device: torch.device | str = "cpu", label: int | None = None
    ) -> torch.Tensor:
        """`count` samples [count, D], float32, in the data's units; of the class `label`, of a conditional run."""
        import torch

        from gantool.sampling import generate, sample_labels

        network = self.load_generator(device)
        labels = sample_labels(network, count, seed, label)
        return generate(network, self.config.noise, count, seed=seed, device=torch.device(device), labels=labels)

    def _load(self, network: torch.nn.Module, group: str, step: int | None) -> None:
        path, tensors = self._read(group, step)
        try:
            network.load_state_dict(tensors)
        except RuntimeError as error:
            raise GantoolError(f"The checkpoint {path} does not fit the run's config.json: {error}") from error

    def _read(self, group: str, step: int | None) -> tuple[Path, dict[str, torch.Tensor]]:
        """A group of a checkpoint. Training may delete the newest one that was found before it is read: then there is
        a newer one."""
        for _ in range(_ATTEMPTS):
            path = find_checkpoint(self.checkpoints, step)
            with suppress(FileNotFoundError):
                return path, read_checkpoint(path, (group,)).groups[group]
        raise GantoolError(f"The checkpoints of {self.path} are deleted faster than they can be read; try again.")

    def write_config(self) -> None:
        write_json(self.path / "config.json", self.config.to_dict())

    def alarms(self) -> list[dict[str, Any]]:
        """The alarms that training raised: step, epoch, kind and sentence of each, oldest first."""
        return [
            {"step": line["step"], "epoch": line.get("epoch"), **alarm}
            for line in self.records()
            for alarm in line.get("alarms") or ()
            if isinstance(alarm, dict)
        ]

    def records(self) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl, oldest first. Lines that hold no record are left out: see `damage`."""
        return [line for line in read_json_lines(self.metrics).objects if _is_metrics(line)]

    def best_step(self) -> int | None:
        """The step of the look with the largest validation log-likelihood, whose checkpoint `training.keep_best` keeps;
        None where there was no such look."""
        looks = [line for line in self.records() if isinstance(line.get("validation_log_likelihood"), (int, float))]
        return max(looks, key=lambda line: line["validation_log_likelihood"])["step"] if looks else None

    @property
    def evaluations(self) -> Path:
        return self.path / "evaluations.jsonl"

    def append_score(self, score: dict[str, Any]) -> None:
        """Records an evaluation as a line of evaluations.jsonl. Raises OSError where it cannot be written."""
        append_json_line(self.evaluations, score, durable=True)

    def scores(self, measure: str | None = None) -> list[dict[str, Any]]:
        """The recorded evaluations, oldest first: all of them, or those of one measure (parzen, diversity, features).

        A line without a measure is an old Parzen score. Lines that hold no record are left out: see `damage`.
        """
        return [line for line in self._evaluations() if measure in (None, line.get("measure", "parzen"))]

    def _evaluations(self) -> list[dict[str, Any]]:
        return [line for line in read_json_lines(self.evaluations).objects if _is_record(line)]

    def damage(self, path: Path) -> list[str]:
        """A sentence where lines of `metrics` or `evaluations` hold no record: such a line hides itself alone."""
        found = read_json_lines(path)
        fits = _is_record if path == self.evaluations else _is_metrics
        odd = len(found.damaged) + sum(not fits(line) for line in found.objects)
        where = f" (line {', '.join(map(str, found.damaged))})" if found.damaged else ""
        return [f"{odd:,} of the lines of {path}{where} hold no record and are left out."] if odd else []


# How often the newest checkpoint is looked for, where training deletes it meanwhile.
_ATTEMPTS = 20

# What a Parzen score must have to be compared with others.
_PARZEN_KEYS: dict[str, Any] = {
    "log_likelihood": (int, float),
    "num_samples": int,
    "sigma": (int, float),
    "split": str,
    "dataset": str,
}


def _is_record(line: dict[str, Any]) -> bool:
    """Whether a line of evaluations.jsonl is what an evaluation writes."""
    if not isinstance(measure := line.get("measure", "parzen"), str):
        return False
    return measure != "parzen" or all(isinstance(line.get(key), kind) for key, kind in _PARZEN_KEYS.items())


def _is_metrics(line: dict[str, Any]) -> bool:
    """Whether a line of metrics.jsonl is what training writes."""
    return isinstance(line.get("step"), int) and isinstance(line.get("seconds"), (int, float))


def create_run(runs_dir: Path, config: RunConfig, dataset: Dataset, environment: dict[str, Any]) -> Run:
    """Makes `<runs_dir>/NNNN-<name>/`, writes what is known before training, and points `latest` at it.

    Raises UsageError where the directory cannot be made; nothing of it is left then.
    """
    path = None
    try:
        runs_dir.mkdir(parents=True, exist_ok=True)
        path = _next_directory(runs_dir, config.name)
        run = Run(path, config, DataFacts.of(dataset))
        run.checkpoints.mkdir()
        run.samples.mkdir()
        run.write_config()
        write_json(path / "dataset.json", asdict(run.data))
        write_json(path / "environment.json", environment)
        _point_latest(runs_dir, path.name)
    except BaseException as error:
        if path:
            shutil.rmtree(path, ignore_errors=True)
        if not isinstance(error, OSError):
            raise
        reason = error.strerror or str(error)
        raise UsageError(
            f"A run directory cannot be made in {runs_dir} ({reason}); choose another with --out."
        ) from error
    return run


def _next_directory(runs_dir: Path, name: str) -> Path:
    number = max((number_of(path) for path in run_directories(runs_dir)), default=0)
    while True:
        number += 1
        path = runs_dir / f"{number:04d}-{name}"
        try:
            path.mkdir()
        except FileExistsError:  # another process took the number meanwhile
            continue
        return path


def _point_latest(runs_dir: Path, name: str) -> None:
    """Points `latest` at a run where the disk has links, and nothing else has that name."""
    link = runs_dir / f".{LATEST}.{os.getpid()}.part"
    try:
        link.unlink(missing_ok=True)
        link.symlink_to(name)
        link.replace(runs_dir / LATEST)
    except OSError:
        with suppress(OSError):
            link.unlink(missing_ok=True)


def run_directories(runs_dir: Path) -> list[Path]:
    """The folders whose names are those of runs, by number."""
    if not runs_dir.is_dir():
        return []
    return sorted((entry for entry in runs_dir.iterdir() if number_of(entry) and entry.is_dir()), key=number_of)


def number_of(path: Path) -> int:
    """The number that a run directory's name begins with; 0 where the name is not a run's."""
    match = re.match(r"(\d{4,})-", path.name)
    return int(match[1]) if match else 0
