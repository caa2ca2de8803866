"""Run directories: making, finding and reading them.

<runs>/0001-mnist/  config.json  dataset.json  environment.json  status.json  metrics.jsonl  evaluations.jsonl
                    samples/*.png  checkpoints/step-*/  (and replicas.json: see gantool.replicas)
<runs>/latest       a link to the newest
"""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from gantool.checkpoint import checkpoint_steps, find_checkpoint, read_checkpoint
from gantool.config import RunConfig
from gantool.data.dataset import Dataset
from gantool.errors import GantoolError, UsageError
from gantool.files import write_json
from gantool.isolation import own_modes
from gantool.models import Discriminator, Generator, build_discriminator, build_generator
from gantool.presets import build_config
from gantool.sampling import generate

LATEST = "latest"


@dataclass(frozen=True)
class DataFacts:
    """What a run needs to know of its data without reading them: dataset.json.

    `fingerprint` is the SHA-256 of the training rows; resuming on other rows is refused.
    """

    name: str
    source: str
    shape: tuple[int, ...]
    dimension: int
    divisor: float
    rows: dict[str, int]
    fingerprint: str

    @classmethod
    def of(cls, dataset: Dataset) -> DataFacts:
        rows = {name: len(dataset.split(name)) for name in ("train", "validation", "test")}
        return cls(
            dataset.name,
            dataset.source,
            tuple(dataset.shape),
            dataset.dimension,
            dataset.divisor,
            rows,
            dataset.fingerprint(),
        )


@dataclass(frozen=True)
class Run:
    """A run directory that exists."""

    path: Path
    config: RunConfig
    data: DataFacts

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

    @own_modes()
    def load_generator(self, device: torch.device | str = "cpu", step: int | None = None) -> Generator:
        """The generator of the newest checkpoint, or of `step`'s, in evaluation mode; its averaged weights where there
        are such.

        Raises UsageError where there is no such checkpoint, GantoolError where it is damaged.
        """
        mean = torch.full(
            (self.data.dimension,), 0.5, dtype=torch.float32, device="cpu"
        )  # overwritten by the checkpoint
        empty = build_generator(self.config.generator, self.config.noise.dimension, mean, torch.Generator())
        self._load(empty, "average" if self.config.training.average else "generator", step)
        return empty.to(device).eval()

    @own_modes()
    def load_discriminator(self, device: torch.device | str = "cpu", step: int | None = None) -> Discriminator:
        """The discriminator, as :meth:`load_generator` does."""
        empty = build_discriminator(self.config.discriminator, self.data.dimension, torch.Generator())
        self._load(empty, "discriminator", step)
        return empty.to(device).eval()

    def sample(self, count: int, *, seed: int = 0, device: torch.device | str = "cpu") -> torch.Tensor:
        """`count` samples [count, D], float32, in the data's units."""
        network = self.load_generator(device)
        return generate(network, self.config.noise, count, seed=seed, device=torch.device(device))

    def _load(self, network: torch.nn.Module, group: str, step: int | None) -> None:
        path = find_checkpoint(self.checkpoints, step)
        try:
            network.load_state_dict(read_checkpoint(path, (group,)).groups[group])
        except RuntimeError as error:
            raise GantoolError(f"The checkpoint {path} does not fit the run's config.json: {error}") from error

    def write_config(self) -> None:
        write_json(self.path / "config.json", self.config.to_dict())

    def write_status(self, state: str, step: int, total_steps: int, reason: str | None = None) -> None:
        """Records where the run stands: state is running, finished, stopped or failed."""
        status = {"state": state, "step": step, "total_steps": total_steps, "reason": reason}
        status["alarms_raised"] = [{"step": alarm["step"], "kind": alarm["kind"]} for alarm in self.alarms()]
        write_json(self.path / "status.json", status | {"process": os.getpid(), "host": socket.gethostname()})

    def status(self) -> dict[str, Any]:
        """The recorded status; a run whose process is gone without a word is `interrupted`.

        Where status.json is missing or damaged the state is `unknown`.
        """
        try:
            status: dict[str, Any] = json.loads((self.path / "status.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            status = {}
        if not _is_status(status):
            return {"state": "unknown", "step": self.latest_step() or 0, "total_steps": 0, "reason": None}
        if status["state"] == "running" and not self.is_being_trained(status):
            status["state"] = "interrupted"
        return status

    def is_being_trained(self, status: dict[str, Any]) -> bool:
        """True where the status says running and its process lives on this host; of another host it is believed."""
        if status["state"] != "running" or status["process"] == os.getpid():
            return False
        return status["host"] != socket.gethostname() or _is_alive(status["process"])

    def alarms(self) -> list[dict[str, Any]]:
        """The alarms that training raised: step, epoch, kind and sentence of each, oldest first."""
        return [
            {"step": line["step"], "epoch": line["epoch"], **alarm}
            for line in read_json_lines(self.metrics)
            for alarm in line.get("alarms", ())
        ]

    def append_score(self, score: dict[str, Any]) -> None:
        """Records an evaluation as a line of evaluations.jsonl."""
        with (self.path / "evaluations.jsonl").open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(score, allow_nan=False) + "\n")

    def scores(self, measure: str | None = None) -> list[dict[str, Any]]:
        """The recorded evaluations, oldest first: all of them, or those of one measure (parzen, diversity, features).

        A line without a measure is an old Parzen score.
        """
        lines = read_json_lines(self.path / "evaluations.jsonl")
        return [line for line in lines if measure in (None, line.get("measure", "parzen"))]


def read_json_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The complete lines of a JSON-lines file; nothing where it is missing. A torn last line is left out."""
    if not path.is_file():
        return
    with path.open(encoding="utf-8") as stream:
        for line in stream:
            if line.endswith("\n"):
                yield json.loads(line)


def _is_status(value: Any) -> bool:
    kinds = {"state": str, "step": int, "total_steps": int, "process": int, "host": str}
    return isinstance(value, dict) and all(isinstance(value.get(key), kind) for key, kind in kinds.items())


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def create_run(runs_dir: Path, config: RunConfig, dataset: Dataset, environment: dict[str, Any]) -> Run:
    """Makes `<runs_dir>/NNNN-<name>/`, writes what is known before training, and points `latest` at it.

    Raises UsageError where the directory cannot be made.
    """
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
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(
            f"A run directory cannot be made in {runs_dir} ({reason}); choose another with --out."
        ) from error
    return run


def _next_directory(runs_dir: Path, name: str) -> Path:
    number = max((_number(path) for path in _run_directories(runs_dir)), default=0)
    while True:
        number += 1
        path = runs_dir / f"{number:04d}-{name}"
        try:
            path.mkdir()
        except FileExistsError:  # another process took the number meanwhile
            continue
        return path


def _point_latest(runs_dir: Path, name: str) -> None:
    link = runs_dir / f".{LATEST}.{os.getpid()}.part"
    link.unlink(missing_ok=True)
    link.symlink_to(name)
    link.replace(runs_dir / LATEST)


def _run_directories(runs_dir: Path) -> list[Path]:
    if not runs_dir.is_dir():
        return []
    return sorted((entry for entry in runs_dir.iterdir() if _number(entry) and entry.is_dir()), key=_number)


def _number(path: Path) -> int:
    """The number that a run directory's name begins with; 0 where the name is not a run's."""
    match = re.match(r"(\d{4,})-", path.name)
    return int(match[1]) if match else 0


def list_runs(runs_dir: Path) -> list[Run]:
    """Every run of a folder, oldest first. Directories that no run has begun in are left out.

    Raises UsageError for one that cannot be read: silence would hide that a run is lost.
    """
    return [open_run(path) for path in _run_directories(runs_dir) if (path / "dataset.json").is_file()]


def open_run(path: Path) -> Run:
    """Reads a run directory. UsageError where it is not one."""
    try:
        config = build_config(json.loads((path / "config.json").read_text(encoding="utf-8")))
        facts = json.loads((path / "dataset.json").read_text(encoding="utf-8"))
        data = DataFacts(**facts | {"shape": tuple(facts["shape"])})
    except FileNotFoundError as error:
        raise UsageError(f"{path} is not a run directory: it has no {Path(error.filename).name}.") from error
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UsageError(f"The run directory {path} cannot be read ({error}); move it elsewhere.") from error
    return Run(path, config, data)


def load_run(path: str | os.PathLike[str]) -> Run:
    """Opens a run directory for use from Python: `load_run("runs/latest").sample(64)`."""
    return open_run(Path(path))


def find_run(reference: str | None, runs_dir: Path) -> Run:
    """The run that a user means: None or `latest` the newest; `7`, `0007`, `0007-mnist` in `runs_dir`; or a path.

    Raises UsageError, saying what there is, where there is no such run.
    """
    directories = _run_directories(runs_dir)
    if reference is None or reference == LATEST:
        if not directories:
            raise UsageError(f"There is no run in {runs_dir} yet; make one with `gantool train`.")
        link = runs_dir / LATEST
        return open_run(runs_dir / link.resolve().name if link.is_dir() else directories[-1])
    for path in directories:
        if reference == path.name or (reference.isdigit() and int(reference) == _number(path)):
            return open_run(path)
    if Path(reference).is_dir():
        return open_run(Path(reference))
    known = ", ".join(path.name for path in directories[-5:]) or "none"
    raise UsageError(f"There is no run {reference!r}; the newest in {runs_dir}: {known}.")
