"""`gantool train`: Algorithm 1 on a data set, from a preset."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gantool.cli.command import command
from gantool.cli.options import Output, RunsDir, Where, resolve_device
from gantool.cli.terminal import stderr_console
from gantool.errors import UsageError

if TYPE_CHECKING:
    from gantool.config import RunConfig

# The command's own options that set a configuration field, and that field.
SHORTCUTS = {
    "name": "name",
    "order": "training.order",
    "play": "training.play",
    "objective": "objective.name",
    "k": "training.k",
    "batch_size": "training.batch_size",
    "epochs": "training.epochs",
    "steps": "training.steps",
    "seed": "training.seed",
    "learning_rate": "optimizer.learning_rate",
    "precision": "training.precision",
}


def _algorithm(help_text: str) -> Any:
    return typer.Option(help=help_text, show_default="the preset's", rich_help_panel="Algorithm")


def _configuration(name: str, help_text: str, default: str | bool = False) -> Any:
    return typer.Option(name, help=help_text, show_default=default, rich_help_panel="Configuration")


@dataclass(frozen=True)
class Choice:
    """What is trained: the data, and where its configuration comes from."""

    dataset: Annotated[
        str | None,
        _configuration(
            "--dataset",
            "The data: a data set (`gantool data list`) or folder:PATH; without --preset, the preset of this name is "
            "trained.",
            "digits",
        ),
    ] = None
    preset: Annotated[
        str | None,
        _configuration(
            "--preset",
            "The networks and how they are trained: dcgan, cifar10-fc … (`gantool config list`).",
            "that of the data set",
        ),
    ] = None
    array: Annotated[
        Path | None,
        _configuration(
            "--array",
            "Train on your own file or folder of images instead; with --resume, its new place.",
        ),
    ] = None
    config: Annotated[
        Path | None, _configuration("--config", "A TOML file of what differs from the preset, or a whole one.")
    ] = None
    settings: Annotated[
        list[str] | None,
        _configuration("--set", "Override any field, for example --set training.k=2. May be repeated."),
    ] = None
    name: Annotated[str | None, _configuration("--name", "The run's name.", "the preset's")] = None
    conditional: Annotated[
        bool, _configuration("--conditional", "Both networks are told the class of each row, beside their input.")
    ] = False


@dataclass(frozen=True)
class Algorithm:
    """What the presets leave to be said about how the two players move. Unset: the preset's."""

    k: Annotated[int | None, _algorithm("Discriminator steps an iteration; above 1 the order is alternating.")] = None
    order: Annotated[str | None, _algorithm("alternating (the paper), simultaneous or generator-first.")] = None
    play: Annotated[
        str | None,
        _algorithm(
            "gradient, extragradient, optimistic or consensus; extragradient and consensus make the order simultaneous."
        ),
    ] = None
    objective: Annotated[
        str | None,
        _algorithm("non-saturating, minimax, wasserstein, hinge, kl … (an unknown one lists all)."),
    ] = None
    epochs: Annotated[int | None, _algorithm("Passes over the training data, in total.")] = None
    steps: Annotated[int | None, _algorithm("Iterations in total, instead of epochs.")] = None
    batch_size: Annotated[int | None, _algorithm("Examples a batch.")] = None
    learning_rate: Annotated[float | None, _algorithm("The first learning rate.")] = None
    precision: Annotated[
        str | None, _algorithm("Type of the products: float32 or bfloat16 (weights stay float32).")
    ] = None
    seed: Annotated[int | None, _algorithm("One seed for weights, batches, noise and dropout.")] = None


@dataclass(frozen=True)
class Execution:
    """How the run is made."""

    replicas: Annotated[
        int | None,
        typer.Option(
            help="Train so many runs side by side, at the seeds from --seed upwards; with --resume, all of a run's.",
            show_default="one run",
            rich_help_panel="Run",
        ),
    ] = None
    resume: Annotated[
        str | None,
        typer.Option(
            help="Go on with a run: its number, name or path, or `latest`.", show_default=False, rich_help_panel="Run"
        ),
    ] = None
    take_over: Annotated[
        bool,
        typer.Option(
            "--take-over",
            help="With --resume: take the run from whoever trains it, as where that machine is gone.",
            rich_help_panel="Run",
        ),
    ] = False
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the resolved run and stop.", rich_help_panel="Run")
    ] = False
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Also write TensorBoard events.", rich_help_panel="Run")
    ] = False
    threads: Annotated[
        int | None,
        typer.Option(
            help="Threads of the processor to compute on; another number may round otherwise.",
            show_default="torch's number",
            rich_help_panel="Run",
        ),
    ] = None
    runs_dir: RunsDir = Path("runs")


@command
def train(choice: Choice, algorithm: Algorithm, execution: Execution, where: Where, output: Output) -> None:
    """Train a generator against a discriminator, as in Algorithm 1 of the paper.

    Examples:

      gantool train                                    the embedded digits, about a minute

      gantool train --dataset mnist --k 1 --epochs 20  the paper's MNIST pair

      gantool train --preset dcgan --dataset mnist     another pair on the same data

      gantool train --resume latest --epochs 40        the same run, longer

      gantool train --replicas 5                       five seeds side by side, a run each
    """
    from gantool.cli.processors import set_threads
    from gantool.cli.trainer import Trainer, report

    set_threads(execution.threads)
    given = {key: value for key, value in {"name": choice.name, **asdict(algorithm)}.items() if value is not None}
    resume, array = execution.resume, choice.array
    trainer = Trainer(
        stderr_console(),
        resolve_device(where.device),
        where.data_dir,
        where.offline,
        execution.tensorboard,
        execution.dry_run,
        output.json,
        execution.take_over,
        array if resume is not None else None,
    )
    if resume is not None:
        _refuse_with_resume(given, choice)
        outcomes = trainer.resume(resume, execution.runs_dir, algorithm.steps, algorithm.epochs, execution.replicas)
    else:
        outcomes = trainer.start(_resolve(choice, given), execution.runs_dir, execution.replicas)
    if outcomes:
        report(outcomes, output.json, execution.replicas)


def _refuse_with_resume(given: dict[str, Any], choice: Choice) -> None:
    sources = (choice.dataset, choice.preset, choice.config, choice.settings, choice.conditional or None)
    changed = [f"--{key.replace('_', '-')}" for key in given if key not in ("steps", "epochs")]
    if changed or any(source is not None and source != [] for source in sources):
        what = changed[0] if changed else "--dataset, --preset, --conditional, --config and --set"
        raise UsageError(f"{what} cannot be given with --resume: a run goes on as it began, only its length may grow.")


def _require_preset(name: str, dataset: str | None) -> None:
    """Raises UsageError where a data set that was asked for has no preset of its name."""
    from gantool.config.sources import build_config, preset_names, preset_text, read_tree
    from gantool.data.registry import DATASETS

    if name in preset_names() or dataset not in DATASETS:
        return
    fitting = [p for p in preset_names() if build_config(read_tree(preset_text(p), p)).data.name == dataset]
    hint = f": {', '.join(fitting)}" if fitting else " (`gantool config list`)"
    raise UsageError(f"The data set {dataset} has no preset of its name: give one with --preset{hint}.")


def _choose_order(tree: dict[str, Any], given: dict[str, Any]) -> None:
    """The order that --k or --play needs, or is meant with."""
    from gantool.config.sources import set_value

    if given.get("play") in ("extragradient", "consensus"):
        set_value(tree, "training.order", "simultaneous")
    elif given.get("k", 1) > 1:
        set_value(tree, "training.order", "alternating")


def _told_classes(tree: dict[str, Any]) -> None:
    """A class enters both networks: beside their input, unless the configuration says where."""
    from gantool.config.sources import set_value

    set_value(tree, "data.condition", "label")
    for network in ("generator", "discriminator"):
        if tree.get(network, {}).get("join", "none") == "none":
            set_value(tree, f"{network}.join", "input")


def _resolve(choice: Choice, given: dict[str, Any]) -> RunConfig:
    """Preset, file, --set items and the command's own options, each over the one before."""
    from gantool.config import sources as presets

    preset, dataset, array, config = choice.preset, choice.dataset, choice.array, choice.config
    if dataset is not None and dataset.startswith("folder:"):
        array, dataset = Path(dataset.removeprefix("folder:")), None
    over = presets.read_config_file(config) if config is not None else {}
    if dataset is None and preset is None and presets.is_whole(over):
        tree = over
    else:
        name = preset or dataset or presets.preset_of(over)
        _require_preset(name, dataset if preset is None else None)
        tree = presets.read_tree(presets.preset_text(name), f"the preset {name}")
        presets.merge(tree, over)
    kept = {key: value for key, value in tree.get("data", {}).items() if key in ("scale", "size", "broken")}
    if preset is not None and dataset is not None:
        tree["data"] = {"name": dataset} | {key: value for key, value in kept.items() if key == "scale"}
    if array is not None:
        tree["data"] = {"name": "array", "path": str(array)} | kept
    if choice.conditional:
        _told_classes(tree)
    presets.apply_settings(tree, choice.settings or [])
    presets.make_paths_absolute(tree)
    for key, value in given.items():
        presets.set_value(tree, SHORTCUTS[key], value)
    if "order" not in given:
        _choose_order(tree, given)
    if "epochs" in given and "steps" not in given:
        tree.get("training", {}).pop("steps", None)
    return presets.build_config(tree)
