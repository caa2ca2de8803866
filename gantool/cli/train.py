"""`gantool train`: Algorithm 1 on a data set, from a preset."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gantool.cli.shell import (
    DataDir,
    DebugFlag,
    Device,
    JsonFlag,
    Offline,
    RunsDir,
    guarded,
    print_json,
    resolve_device,
    stderr_console,
)
from gantool.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from gantool.config import RunConfig
    from gantool.runs import Run
    from gantool.training.session import Outcome
    from gantool.training.trainee import Observer

# The command's own options that set a configuration field, and that field.
SHORTCUTS = {
    "name": "name",
    "order": "training.order",
    "objective": "training.objective",
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


@guarded
def train(
    dataset: Annotated[
        str | None,
        _configuration("--dataset", "The preset to train: mnist, digits, ring2d … (`gantool config list`).", "digits"),
    ] = None,
    array: Annotated[
        Path | None,
        _configuration("--array", "Train on your own .npy or .npz file instead of the preset's data."),
    ] = None,
    config: Annotated[
        Path | None, _configuration("--config", "A TOML file, as `gantool config show` prints, over the preset.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        _configuration("--set", "Override any field, for example --set training.k=2. May be repeated."),
    ] = None,
    name: Annotated[str | None, _configuration("--name", "The run's name.", "the preset's")] = None,
    k: Annotated[int | None, _algorithm("Discriminator steps an iteration; above 1 the order is alternating.")] = None,
    order: Annotated[str | None, _algorithm("alternating (the paper), simultaneous or generator-first.")] = None,
    objective: Annotated[str | None, _algorithm("non-saturating, minimax or blend.")] = None,
    epochs: Annotated[int | None, _algorithm("Passes over the training data, in total.")] = None,
    steps: Annotated[int | None, _algorithm("Iterations in total, instead of epochs.")] = None,
    batch_size: Annotated[int | None, _algorithm("Examples a batch.")] = None,
    learning_rate: Annotated[float | None, _algorithm("The first learning rate.")] = None,
    precision: Annotated[
        str | None, _algorithm("Type of the products: float32 or bfloat16 (weights stay float32).")
    ] = None,
    seed: Annotated[int | None, _algorithm("One seed for weights, batches, noise and dropout.")] = None,
    resume: Annotated[
        str | None,
        typer.Option(
            help="Go on with a run: its number, name or path, or `latest`.", show_default=False, rich_help_panel="Run"
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the resolved run and stop.", rich_help_panel="Run")
    ] = False,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Also write TensorBoard events.", rich_help_panel="Run")
    ] = False,
    runs_dir: RunsDir = Path("runs"),
    data_dir: DataDir = None,
    offline: Offline = False,
    device: Device = "auto",
    json_output: JsonFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Train a generator against a discriminator, as in Algorithm 1 of the paper.

    Examples:

      gantool train                                    the embedded digits, about a minute

      gantool train --dataset mnist --k 1 --epochs 20  the paper's MNIST pair

      gantool train --resume latest --epochs 40        the same run, longer
    """
    given = {key: value for key, value in locals().items() if key in SHORTCUTS and value is not None}
    console = stderr_console()
    if resume is not None:
        _refuse_with_resume(given, dataset, array, config, settings)
        session = _Session(console, resolve_device(device), data_dir, offline, tensorboard)
        outcome = session.resume(resume, runs_dir, steps, epochs, dry_run, json_output)
    else:
        run_config = _resolve(dataset, array, config, settings or [], given)
        session = _Session(console, resolve_device(device), data_dir, offline, tensorboard)
        outcome = session.start(run_config, runs_dir, dry_run, json_output)
    if outcome is not None:
        _report(outcome, console, json_output)


def _refuse_with_resume(given: dict[str, Any], *sources: Any) -> None:
    changed = [f"--{key.replace('_', '-')}" for key in given if key not in ("steps", "epochs")]
    if changed or any(source is not None and source != [] for source in sources):
        what = changed[0] if changed else "--dataset, --array, --config and --set"
        raise UsageError(f"{what} cannot be given with --resume: a run goes on as it began, only its length may grow.")


def _resolve(
    dataset: str | None, array: Path | None, config: Path | None, settings: list[str], given: dict[str, Any]
) -> RunConfig:
    """Preset, file, --set items and the command's own options, each over the one before."""
    from gantool import presets

    if config is not None and dataset is None:
        tree = presets.read_config_file(config)
    else:
        name = dataset or "digits"
        tree = presets.read_tree(presets.preset_text(name), f"the preset {name}")
        if config is not None:
            presets.merge(tree, presets.read_config_file(config))
    if array is not None:
        tree["data"] = {"name": "array", "path": str(array)}
    presets.apply_settings(tree, settings)
    for key, value in given.items():
        presets.set_value(tree, SHORTCUTS[key], value)
    if given.get("k", 1) > 1 and "order" not in given:
        presets.set_value(tree, "training.order", "alternating")  # the one order that has k steps
    if "epochs" in given and "steps" not in given:
        tree["training"].pop("steps", None)
    return presets.build_config(tree)


class _Session:
    """The machine's side of a training command: device, data and display."""

    def __init__(self, console: Console, device: Any, data_dir: Path | None, offline: bool, tensorboard: bool) -> None:
        self.console, self.device, self.tensorboard = console, device, tensorboard
        self.data_dir, self.offline = data_dir, offline

    def load_data(self, config: RunConfig) -> Any:
        from gantool.data import load_dataset

        return load_dataset(config.data, root=self.data_dir, offline=self.offline)

    def start(self, config: RunConfig, runs_dir: Path, dry_run: bool, as_json: bool) -> Outcome | None:
        from gantool.cli.summary import print_summary
        from gantool.training.session import start_run

        dataset = self.load_data(config)
        if dry_run:
            print_summary(config, dataset, self.device, self.console, as_json)
            return None
        with self.watching() as watch:
            return start_run(config, dataset, self.device, runs_dir, watch)

    def resume(
        self, reference: str, runs_dir: Path, steps: int | None, epochs: int | None, dry_run: bool, as_json: bool
    ) -> Outcome | None:
        from gantool.cli.summary import print_summary
        from gantool.runs import find_run
        from gantool.training.session import resume_run, with_length

        run = find_run(reference, runs_dir)
        dataset = self.load_data(run.config)
        if dry_run:
            print_summary(with_length(run.config, steps, epochs), dataset, self.device, self.console, as_json)
            return None
        with self.watching() as watch:
            return resume_run(run, dataset, self.device, watch, steps=steps, epochs=epochs)

    def watching(self) -> _Watch:
        return _Watch(self.console, self.tensorboard)


class _Watch:
    """Opens the display when the run is there, and closes it whatever happens."""

    def __init__(self, console: Console, tensorboard: bool) -> None:
        from contextlib import ExitStack

        self.console, self.tensorboard, self.stack = console, tensorboard, ExitStack()

    def __enter__(self) -> _Watch:
        return self

    def __exit__(self, *error: Any) -> None:
        self.stack.close()

    def __call__(self, run: Run, total_steps: int) -> Observer:
        from gantool.cli.progress import Display

        start = run.latest_step() or 0
        self.console.print(
            f"Training {run.path} on {run.data.name}: {total_steps:,} steps from {start:,}", markup=False
        )
        display: Observer = self.stack.enter_context(Display(self.console, total_steps, start))
        if self.tensorboard:
            from gantool.training.tensorboard import TensorBoardObserver

            display = TensorBoardObserver(run.path / "tensorboard", display)
        return display


def _report(outcome: Outcome, console: Console, json_output: bool) -> None:
    """Says where everything is; a run that a signal stopped exits with 128 + the signal's number."""
    if json_output:
        print_json(outcome.to_dict())
    run = outcome.run
    alarms = run.alarms()
    if alarms:
        first = alarms[0]
        console.print(
            f"Alarms raised: {len(alarms)}; the first at step {first['step']:,}: {first['sentence']}",
            markup=False,
            style="bold red",
            soft_wrap=True,
        )
    if outcome.signal_number is None:
        console.print(f"Done: {outcome.step:,} steps in {run.path}, {outcome.step_impl}.", markup=False, soft_wrap=True)
        console.print(
            f"Pictures: {run.samples}. Next: gantool sample, gantool eval parzen.", markup=False, soft_wrap=True
        )
        return
    console.print(
        f"Stopped at step {outcome.step:,} of {outcome.total_steps:,} and saved. "
        f"Go on with: gantool train --resume {run.path}",
        markup=False,
        soft_wrap=True,
    )
    raise typer.Exit(128 + outcome.signal_number)
