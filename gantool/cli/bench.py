"""`gantool bench`: the operators against their rivals, on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from gantool.cli.command import command
from gantool.cli.options import DataDir, Device, Output, resolve_device
from gantool.cli.terminal import say, show, tell, warn
from gantool.errors import UsageError
from gantool.tables import Table

app = typer.Typer(
    no_args_is_help=True,
    help="Time the operators against plain torch and other libraries.\n\nExample: gantool bench maxout",
)

_LEGEND = (
    "ms: the median of n rounds. native ×: how many times as fast native is, the median of the ratios within rounds. "
    "error: the largest against float64. grad: a gradient's largest relative error. peak: share of a large product's."
)
_EFFORT, _WHAT, _RESULT = "How hard", "What", "Result"

Quick = Annotated[bool, typer.Option("--quick", help="Tiny shapes: does it work at all?", rich_help_panel=_WHAT)]
Preset = Annotated[
    str | None,
    typer.Option(help="Only this preset. Default: all whose data are here.", show_default=False, rich_help_panel=_WHAT),
]
Sweep = Annotated[bool, typer.Option("--sweep", help="Add a scaling sweep over every axis.", rich_help_panel=_WHAT)]
Impls = Annotated[
    list[str] | None,
    typer.Option("--impl", help="Only this one; may be given again. Default: all.", rich_help_panel=_WHAT),
]
Repeats = Annotated[int, typer.Option(help="Rounds a case, at most.", rich_help_panel=_EFFORT)]
Seconds = Annotated[
    float, typer.Option(help="Time a case; three rounds are run in any event.", rich_help_panel=_EFFORT)
]
OutFile = Annotated[
    Path | None,
    typer.Option("--out", help="Write the JSON here, too.", show_default=False, rich_help_panel=_RESULT),
]
PlotFile = Annotated[
    Path | None,
    typer.Option("--plot", help="Draw the times into this PNG.", show_default=False, rich_help_panel=_RESULT),
]


@dataclass(frozen=True)
class Timing:
    """What is timed, how often, and where the figures go."""

    impl: Impls = None
    repeats: Repeats = 15
    seconds: Seconds = 30.0
    out: OutFile = None
    plot: PlotFile = None
    device: Device = "auto"

    def check(self) -> None:
        """Raises UsageError where a file cannot be written, before anything is timed."""
        for option, path in (("--out", self.out), ("--plot", self.plot)):
            if path is not None and not path.parent.is_dir():
                raise UsageError(f"{option} {path} needs the folder {path.parent}, which is not there: make it first.")
            if path is not None and path.is_dir():
                raise UsageError(f"{option} {path} is a folder; name a file.")


@app.callback()
def about() -> None:
    """Time the operators against plain torch and other libraries.

    Implementations run in turn, A B A B, and are compared within each round.
    """


@app.command("maxout")
@command
def maxout(
    timing: Timing,
    output: Output,
    quick: Quick = False,
    sweep: Sweep = False,
) -> None:
    """Maxout, forward and backward with all three gradients, in float32 and bfloat16.

    --impl: native, reference, eager (linear, view, amax), compile (the same under torch.compile), gemm (the three bare
    products, the limit) and thinc.

    Example: gantool bench maxout --out maxout.json --plot maxout.png
    """
    _bench("maxout", timing, output, quick=quick, sweep=sweep)


@app.command("parzen")
@command
def parzen(
    timing: Timing,
    output: Output,
    quick: Quick = False,
    sweep: Sweep = False,
    data_dir: DataDir = None,
) -> None:
    """Parzen log-density at the paper's size, 10,000 × 10,000 × 784, at several bandwidths and at ten in one call.

    --impl: native (screened where that pays), dense (the same without the screen), reference, eager (cdist and
    logsumexp for each bandwidth), eager_shared (cdist once), compile (eager_shared under torch.compile), sklearn and
    keops. Byte pixels are MNIST where the data root has it, and the samples beside them its training images, or these
    moved, sheared and shaded a little, as a good generator's are; nothing is downloaded.

    Example: gantool bench parzen --impl native --impl eager --json
    """
    _bench("parzen", timing, output, quick=quick, sweep=sweep, data_dir=data_dir)


@app.command("train")
@command
def train(
    timing: Timing,
    output: Output,
    preset: Preset = None,
    quick: Quick = False,
    data_dir: DataDir = None,
) -> None:
    """One training iteration of every preset whose data are here, in float32 and bfloat16, against a plain loop.

    --impl: native (what `gantool train` runs), uncaptured (the same without its CUDA graph), autograd (its plain step),
    eager (the plain loop, always in float32), autocast (the plain loop in bfloat16) and compile (its networks under
    torch.compile). Nothing is downloaded.

    Last, 32 replicas of the mnist preset at once beside as many iterations of single runs (one-by-one). On a GPU a call
    makes ten iterations, what one CUDA graph holds.

    Example: gantool bench train --impl native --impl eager
    """
    _bench("train", timing, output, quick=quick, preset=preset, data_dir=data_dir)


def _bench(
    op: str,
    timing: Timing,
    output: Output,
    *,
    quick: bool,
    sweep: bool = False,
    preset: str | None = None,
    data_dir: Path | None = None,
) -> None:
    timing.check()
    from gantool.bench.runner import Plan, run_benchmark
    from gantool.bench.timing import Effort
    from gantool.cli.stages import shown_progress

    effort = Effort(timing.repeats, timing.seconds)
    plan = Plan(op, quick, sweep, effort, tuple(timing.impl) if timing.impl else None, data_dir, preset)
    with shown_progress("starting") as progress:
        payload = run_benchmark(plan, resolve_device(timing.device), lambda stage: progress(stage, 0, 0))
    if timing.out is not None:
        from gantool.files import write_json

        write_json(timing.out, payload)
    if timing.plot is not None:
        from gantool.bench.chart import draw_chart

        draw_chart(payload["cases"], timing.plot)
    output.give(payload, lambda: _print(payload))


def _print(payload: dict[str, Any]) -> None:
    environment = payload["environment"]
    peaks = ", ".join(f"{value:.3g} TFLOP/s in {name}" for name, value in payload["peak_tflops"].items())
    where = environment.get("gpu") or f"{environment['processor']}, {environment['threads']} threads"
    say(f"{where}; measured peak {peaks}")
    panels: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for record in payload["cases"]:
        panels.setdefault((record["case"], record["dtype"], record["data"]), []).append(record)
    for heading, records in panels.items():
        say()
        for record in records:
            if record["impl"] == "native" and record["images_per_second"] is not None:
                say(f"native: {record['variant']}")
        say(", ".join(heading))
        show(_table(records))
    say()
    say(_LEGEND)
    for sentence in payload["warnings"]:
        warn(sentence)
    told: dict[tuple[str, str], int] = {}
    for item in payload["left_out"]:
        told[item["impl"], item["reason"]] = told.get((item["impl"], item["reason"]), 0) + 1
    for (name, reason), count in told.items():
        cases = "a case" if count == 1 else f"{count} cases"
        tell(f"Left out of {cases}: {name}: {reason}")


def _table(records: list[dict[str, Any]]) -> Table:

    trains = records[0]["images_per_second"] is not None
    own = ("updates/s", "images/s") if trains else ("error", "grad")
    headings = ("implementation", "ms", "min", "max", "n", "native ×", *own, "TFLOP/s", "peak")
    native: dict[str, float] = next((other["speedup_over"] for other in records if other["impl"] == "native"), {})
    rows = []
    for record in records:
        ratio = native.get(record["impl"])
        line = (
            record["variant"] if record["impl"] == "native" and not trains else record["impl"],
            *(f"{record[key]:.3g}" for key in ("median_ms", "min_ms", "max_ms")),
            str(record["repeats"]),
            "" if ratio is None else f"{ratio:.2f}",
            *_own_figures(record),
            f"{record['tflops']:.2g}",
            "" if record["fraction_of_peak"] is None else f"{record['fraction_of_peak']:.0%}",
        )
        rows.append(line)
    names = [record["impl"] for record in records]
    return Table(headings, tuple(rows), strong=names.index("native") if "native" in names else None)


def _own_figures(record: dict[str, Any]) -> tuple[str, str]:
    """What an operator's table alone shows: errors, or speeds where the case is an iteration of training."""
    if record["images_per_second"] is not None:
        return f"{record['updates_per_second']:,.0f}", f"{record['images_per_second']:,.0f}"
    first, second = ("" if record[key] is None else f"{record[key]:.0e}" for key in ("max_abs_error", "gradient_error"))
    return first, second
