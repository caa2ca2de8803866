"""What CONTRIBUTING promises: each thing is added through one public table, and then works from the command line.

Every test adds a throw-away one and takes it out again.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
import typer
from torch import Tensor, nn
from torch.nn.functional import softplus
from typer.testing import CliRunner

from gantool import load_run
from gantool.cli.app import app
from gantool.cli.command import command
from gantool.cli.eval.sources import measured
from gantool.cli.options import Output, RunName, Seed, Source, Where
from gantool.cli.terminal import show
from gantool.config import DataConfig, LayerConfig, ObjectiveConfig, PenaltyConfig
from gantool.config.checks import require_number
from gantool.config.layers import LAYER_KINDS, Shape
from gantool.config.objective import OBJECTIVE_NAMES, PENALTY_NAMES
from gantool.config.training import PLAY_NAMES
from gantool.data import Dataset, Split
from gantool.data.registry import DATASETS, Entry
from gantool.evaluation.measures import MEASURES, Measure
from gantool.evaluation.subject import Subject
from gantool.nn import MODULES
from gantool.objectives import OBJECTIVES, LogLoss
from gantool.progress import Progress
from gantool.sweep.table import headline
from gantool.tables import Table
from gantool.training.game import Iteration
from gantool.training.orders import PLAYS, Engine
from gantool.training.penalties import PENALTIES, Judged

SMALL = ("--set", "generator.layers.0.units=8", "--set", "generator.layers.1.units=8", "--steps", "3")


def train(folder: Path, *arguments: str) -> Path:
    """The directory of a short run."""
    result = CliRunner().invoke(app, ["train", "--runs-dir", str(folder), "--json", *SMALL, *arguments])
    assert result.exit_code == 0, result.stderr
    return Path(json.loads(result.stdout)["run"])


def _generator_alone(game: Engine[Any], step: int, rates: Any) -> Iteration:
    """The generator moves twice, and the discriminator never: a play that nobody asked for."""
    seen = game.joint_gradients(game.draw_batch(step))
    game.move_generator(rates)
    game.generator_gradients(game.draw_noise(10), game.draw_batch(step))
    game.move_generator(rates)
    return seen


def test_a_play_is_a_function_and_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PLAYS, "generator-alone", _generator_alone)
    monkeypatch.setattr("gantool.config.training.PLAY_NAMES", [*PLAY_NAMES, "generator-alone"])
    run = load_run(train(tmp_path, "--play", "generator-alone", "--set", "training.checkpoint_every=1"))
    first, last = (run.load_discriminator(step=step).state_dict() for step in (1, 3))
    assert all(torch.equal(value, last[name]) for name, value in first.items())
    generators = [torch.cat([p.flatten() for p in run.load_generator(step=step).parameters()]) for step in (1, 3)]
    assert not torch.equal(*generators)


def _mean_square(config: PenaltyConfig, judged: Judged) -> Tensor:
    return config.weight * judged.judge(judged.real).square().mean()


def test_a_penalty_is_a_function_and_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PENALTIES, "mean-square", _mean_square)
    monkeypatch.setattr("gantool.config.objective.PENALTY_NAMES", [*PENALTY_NAMES, "mean-square"])
    heavy = (
        "--set",
        "objective.penalty.kind=mean-square",
        "--set",
        "objective.penalty.weight=1e6",
        "--learning-rate",
        "1e-9",
    )
    losses = [
        json.loads((train(tmp_path, *more) / "metrics.jsonl").read_text().splitlines()[0])["discriminator_loss"]
        for more in ((), heavy)
    ]
    assert losses[1] > 10 * losses[0]


class TwiceAsSteep(LogLoss):
    """−2 log D(G(z)): a loss that nobody asked for."""

    def generator_loss(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        return 2.0 * softplus(-fake).mean()


def _twice_as_steep(_config: ObjectiveConfig) -> TwiceAsSteep:
    return TwiceAsSteep()


def test_a_loss_is_a_class_and_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(OBJECTIVES, "twice-as-steep", _twice_as_steep)
    monkeypatch.setattr("gantool.config.objective.OBJECTIVE_NAMES", [*OBJECTIVE_NAMES, "twice-as-steep"])
    run = train(tmp_path, "--objective", "twice-as-steep", "--set", "training.log_every=1")
    first = json.loads((run / "metrics.jsonl").read_text().splitlines()[0])
    # The first judgement is near 1/2: log 2 a row, twice of it for this generator.
    assert first["generator_loss"] == pytest.approx(2 * math.log(2), abs=0.1)
    assert first["discriminator_loss"] == pytest.approx(math.log(2), abs=0.1)


@dataclass(frozen=True)
class ScaleConfig(LayerConfig):
    """A layer that multiplies by `factor`."""

    KINDS: ClassVar[tuple[str, ...]] = ("scale",)
    kind: str
    factor: float = 1.0

    def check(self, name: str, *, gives_data: bool) -> None:
        require_number(self.factor, f"{name}.factor", "a number", -math.inf)

    def output_shape(self, inputs: Shape, data: Shape) -> Shape:
        return inputs

    def multiply_adds(self, inputs: Shape, data: Shape) -> int:
        return math.prod(inputs)


class Scale(nn.Module):
    def __init__(self, config: ScaleConfig, inputs: Shape, outputs: Shape, rng: torch.Generator) -> None:
        super().__init__()
        self.factor = config.factor

    def forward(self, x: Tensor, rng: torch.Generator | None = None) -> Tensor:
        return x * self.factor


def test_a_layer_kind_is_a_dataclass_a_module_and_two_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LAYER_KINDS, "scale", ScaleConfig)
    monkeypatch.setitem(MODULES, ScaleConfig, Scale)
    file = tmp_path / "mine.toml"
    file.write_text(
        "[generator]\nlayers = [\n{ kind = 'relu', units = 8 },\n{ kind = 'scale', factor = 0.5 },\n"
        "{ kind = 'sigmoid', units = 0 },\n]\n"
    )
    result = CliRunner().invoke(
        app, ["train", "--config", str(file), "--runs-dir", str(tmp_path), "--steps", "3", "--json"]
    )
    assert result.exit_code == 0, result.stderr
    answer = json.loads(result.stdout)
    assert "Generator has other than fully connected layers" in answer["step_impl"]
    import gantool

    run = gantool.load_run(answer["run"])
    network, z = run.load_generator(), torch.randn(5, 32, generator=torch.Generator().manual_seed(0))
    hidden = network.layers[0](z)
    torch.testing.assert_close(network(z), network.layers[2](0.5 * hidden))
    assert gantool.load_run(answer["run"]).sample(2).shape == (2, 64)


def _load_steps(_config: DataConfig, _root: Path) -> Dataset:
    rows = torch.linspace(0, 1, 600)[:, None].repeat(1, 4)
    split = Split(rows)
    return Dataset("steps", split, Split(rows[:100]), Split(rows[:50]), (4,), 1.0, "made for a test")


def test_a_data_set_is_a_loader_and_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DATASETS, "steps", Entry("four equal columns", _load_steps))
    run = train(tmp_path, "--set", "data.name=steps")
    facts = json.loads((run / "dataset.json").read_text())
    assert (facts["name"], facts["dimension"], facts["rows"]["train"]) == ("steps", 4, 600)
    listed = CliRunner().invoke(app, ["data", "list", "--json"])
    assert "steps" in {each["name"] for each in json.loads(listed.stdout)["datasets"]}
    scored = CliRunner().invoke(app, ["eval", "parzen", str(run), "--num-samples", "100", "--no-references", "--json"])
    assert scored.exit_code == 0, scored.stderr
    assert json.loads(scored.stdout)["dataset"] == "steps"


@dataclass(frozen=True)
class BrightnessSettings:
    num_samples: int = 100
    seed: int = 0


@dataclass(frozen=True)
class BrightnessResult:
    """How bright samples are beside the rows scored."""

    dataset: str
    split: str
    brightness: float
    of_rows: float
    run: str | None = None
    step: int | None = None
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        return {"measure": "brightness", **asdict(self)}


def _brightness_of(subject: Subject, settings: BrightnessSettings, progress: Progress) -> BrightnessResult:
    assert subject.dataset is not None
    rows = subject.dataset.values(subject.dataset.split(subject.split).stored)
    samples = subject.draw(settings.num_samples, settings.seed)
    return BrightnessResult(subject.dataset.name, subject.split, float(samples.mean()), float(rows.mean()))


def _brightness_tables(record: Mapping[str, Any]) -> list[Table]:
    return [Table(("samples", "rows"), ((f"{record['brightness']:.4f}", f"{record['of_rows']:.4f}"),), "Brightness")]


def _headline(record: Mapping[str, Any]) -> dict[str, float | None]:
    return {"brightness": record["brightness"]}


BRIGHTNESS = Measure("brightness", BrightnessSettings, _brightness_of, _headline, _brightness_tables)


@command
def brightness(source: Source, where: Where, output: Output, run: RunName = None, seed: Seed = 0) -> None:
    """How bright a run's samples are.

    Example: gantool brightness
    """

    def show_result(result: BrightnessResult) -> None:
        for table in _brightness_tables(result.to_dict()):
            show(table)

    settings = BrightnessSettings(seed=seed)
    measured("brightness", run, source, None, settings, where.place(), show_result, output)


def test_a_measure_is_a_result_a_function_and_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a command, stands in the run's record, in its report, and in the table of a sweep."""
    monkeypatch.setitem(MEASURES, "brightness", BRIGHTNESS)
    monkeypatch.chdir(tmp_path)
    alone = typer.Typer()
    alone.command()(brightness)
    run = load_run(train(tmp_path))
    shown = CliRunner().invoke(alone, [str(run.path), "--seed", "3"])
    assert shown.exit_code == 0, shown.stderr
    mean = float(run.sample(100, seed=3).mean())
    assert f"{mean:.4f}" in shown.stdout
    (kept,) = run.scores("brightness")
    assert kept["brightness"] == pytest.approx(mean)
    report = CliRunner().invoke(app, ["report", str(run.path), "--out", "r.html"])
    assert report.exit_code == 0, report.stderr
    assert f"{mean:.4f}" in (tmp_path / "r.html").read_text()
    assert headline([kept]) == {"brightness": pytest.approx(mean)}


def test_a_command_is_a_function(tmp_path: Path) -> None:
    """Its groups of options are those of every command, and so are its failures."""
    alone = typer.Typer()
    alone.command()(brightness)
    found = CliRunner().invoke(alone, ["--runs-dir", str(tmp_path), "--json"])
    assert found.exit_code == 2
    assert "There is no run in" in json.loads(found.stdout)["error"]
    assert "--data-dir" in CliRunner().invoke(alone, ["--help"], env={"COLUMNS": "200"}).stdout
