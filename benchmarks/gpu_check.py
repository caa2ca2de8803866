"""Everything that needs a GPU, in one bounded command: build, kernels, tests, compute-sanitizer, benchmarks.

make gpu-check                                # or: python benchmarks/gpu_check.py --limit 480 --out benchmarks/results

It needs a GPU, nvcc and a Python that has torch and the packages of pyproject.toml; it needs no network. Each part runs
in a process of its own and goes on when another fails. At the time limit the part under way is stopped, and whatever is
there is written. The folder gets one JSON file, and the log of each part beside it; the terminal gets a table.

Exit code 0 where every part passed, else 1.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SMALL_CASES = Path(__file__).with_name("gpu_small_cases.py")
NO_GPU = "no GPU: nothing was run"
TABLE_LINES = 40
# Seconds between asking a part to end, which lets pytest write its report, and ending it.
GRACE = 10.0
TRAIN_IMPLS = ("native", "uncaptured", "autograd", "eager", "autocast", "one-by-one")


@dataclass(frozen=True)
class Part:
    """One thing to run: `most` bounds its seconds, and `result` is the file that it leaves, if any."""

    name: str
    command: list[str]
    most: float
    result: Path | None = None


@dataclass
class Outcome:
    """What came of a part. `state`: passed, failed, stopped (at a time limit) or "not run" (no time, no tool)."""

    name: str
    command: str
    state: str
    seconds: float = 0.0
    message: str = ""
    figures: dict[str, Any] = field(default_factory=dict)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results", help="folder for the JSON")
    parser.add_argument("--limit", type=float, default=480.0, help="seconds in all (default 480)")
    parser.add_argument("--only", action="append", metavar="PART", help="run only this part; may be given again")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + options.limit
    card = find_card()
    report: dict[str, Any] = {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "command": _as_typed(sys.argv),
        "card": card,
        "limit_seconds": options.limit,
        "parts": [],
    }
    if card is None:
        report["message"] = NO_GPU
        (options.out / "gpu-check.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
        print(NO_GPU)
        return 1
    report["environment"] = environment()
    with tempfile.TemporaryDirectory(prefix="gpu-check-") as scratch:
        parts = [part for part in plan(card, Path(scratch)) if not options.only or part.name in options.only]
        outcomes = [run(part, end, options.out, card) for part in parts]
    report["parts"] = [asdict(outcome) for outcome in outcomes]
    name = f"gpu-check-{re.sub('[^a-z0-9]+', '-', card['name'].lower()).strip('-')}.json"
    (options.out / name).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print("\n".join(table(card, outcomes)))
    return 0 if all(outcome.state == "passed" for outcome in outcomes) else 1


def find_card() -> dict[str, str] | None:
    """Name, memory, driver and compute capability of the first GPU, as nvidia-smi tells them; None without one."""
    fields = ("name", "memory.total", "driver_version", "compute_cap")
    line = _answer("nvidia-smi", "--id=0", f"--query-gpu={','.join(fields)}", "--format=csv,noheader")
    values = [value.strip() for value in line.split(",")]
    return dict(zip(fields, values, strict=True)) if len(values) == len(fields) else None


def environment() -> dict[str, Any]:
    """Versions of what the parts run with; the benchmarks' own records say more."""
    versions = _answer(sys.executable, "-c", "import torch; print(torch.__version__, torch.version.cuda)").split()
    return {
        "python": sys.version.split()[0],
        "torch": versions[0] if versions else None,
        "cuda": versions[1] if versions else None,
        "nvcc": _answer(_nvcc() or "nvcc", "--version") or None,
        "cores": os.cpu_count(),
        "commit": _answer("git", "-C", str(ROOT), "describe", "--always", "--dirty") or None,
    }


def _answer(*command: str) -> str:
    """The last line that a command prints; "" where it fails or is not there."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return (done.stdout.strip().splitlines() or [""])[-1]


def _nvcc() -> str | None:
    """nvcc where CUDA_HOME says or toolkits are installed by default, else on the PATH, where it may be a wrapper."""
    default = Path(os.environ.get("CUDA_HOME", "/usr/local/cuda")) / "bin" / "nvcc"
    return str(default) if default.is_file() else shutil.which("nvcc")


def plan(card: dict[str, str], scratch: Path) -> list[Part]:
    """The parts in the order of their weight: what comes late is what a short limit leaves out."""
    python = sys.executable
    junit, build = scratch / "tests.xml", ROOT / "gantool" / "_native_build.json"
    # The machine's own pytest plugins stay out: a warning of theirs would be an error here.
    parallel = importlib.util.find_spec("xdist") is not None
    workers = ["-p", "xdist.plugin", "-n", str(min(8, os.cpu_count() or 1))] if parallel else []
    tests = [python, "-m", "pytest", "-m", "cuda", "-q", *workers, f"--junitxml={junit}", "tests/ops", "tests/training"]
    kernels = [python, "-X", "faulthandler", str(SMALL_CASES)]
    parts = [
        Part("build", [python, "-m", "gantool.native.plan"], 300, build),
        Part("kernels", kernels, 60),
        Part("tests", tests, 240, junit),
    ]
    for tool in ("memcheck", "racecheck"):
        parts.append(Part(tool, ["compute-sanitizer", "--tool", tool, "--error-exitcode", "9", *kernels], 120))
    ways = {
        "maxout": ["--seconds", "2", *_impls("native", "reference", "eager", "gemm")],
        "parzen": ["--seconds", "3", *_impls("native", "reference", "eager", "eager_shared")],
        "train": ["--seconds", "2", "--preset", "mnist", *_impls(*TRAIN_IMPLS)],
    }
    for op, more in ways.items():
        out = scratch / f"{op}.json"
        bench = [python, "-m", "gantool", "bench", op, "--device", "cuda", "--repeats", "9", "--out", str(out), *more]
        parts.append(Part(f"bench {op}", bench, 120, out))
    return parts


def _impls(*names: str) -> list[str]:
    return [word for name in names for word in ("--impl", name)]


def run(part: Part, end: float, folder: Path, card: dict[str, str]) -> Outcome:
    """Runs one part until its own bound or the end of all, and reads what it left."""
    outcome = Outcome(part.name, _as_typed(part.command), "not run")
    seconds = min(part.most, end - time.monotonic() - GRACE)
    if seconds <= 0:
        outcome.message = "the time limit came first"
        return outcome
    if shutil.which(part.command[0]) is None:
        outcome.message = f"{part.command[0]} is not on the PATH"
        return outcome
    print(f"{part.name}: at most {seconds:.0f} s …", flush=True)
    if part.result is not None:
        part.result.unlink(missing_ok=True)
    log = folder / f"gpu-check-{part.name.replace(' ', '-')}.log"
    began = time.monotonic()
    with log.open("w", encoding="utf-8") as out:
        process = subprocess.Popen(
            part.command,
            cwd=ROOT,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=_surroundings(card),
            start_new_session=True,
        )
        stopped = not _ended(process, seconds)
    outcome.seconds = round(time.monotonic() - began, 1)
    outcome.state = "stopped" if stopped else "passed" if process.returncode == 0 else "failed"
    text = log.read_text(encoding="utf-8", errors="replace")
    outcome.figures, outcome.message = _read(part, text)
    if (part.name == "build" and outcome.figures) or (part.name == "tests" and not outcome.figures.get("passed")):
        outcome.state = "failed"
    if outcome.state != "passed" and not outcome.message:
        outcome.message = _last_line(text)
    return outcome


def _as_typed(command: list[str]) -> str:
    """A command as one would type it in the checkout: what it was on this machine says nothing elsewhere."""
    words = ["python" if word == sys.executable else word.removeprefix(f"{ROOT}/") for word in command]
    return " ".join(re.sub(r"^(--junitxml=)?/.*/", r"\1", word) for word in words)


def _surroundings(card: dict[str, str]) -> dict[str, str]:
    """The environment of every part: this checkout's package, this card's architecture alone, every core for nvcc."""
    found = {**os.environ, "PYTHONUNBUFFERED": "1", "MAX_JOBS": str(os.cpu_count() or 1)}
    found["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    found["TORCH_CUDA_ARCH_LIST"] = card["compute_cap"]
    found["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    if nvcc := _nvcc():
        found.setdefault("CUDA_HOME", str(Path(nvcc).resolve().parents[1]))
    return found


def _ended(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Waits; False where the process had to be stopped, first by an interrupt, then for good."""
    try:
        process.wait(seconds)
        return True
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGINT)
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return False


def _read(part: Part, text: str) -> tuple[dict[str, Any], str]:
    """A part's figures, and a message where it has one."""
    if part.result is None or not part.result.is_file():
        return {}, _sanitizer_summary(text) if part.name in ("memcheck", "racecheck") else ""
    if part.name == "tests":
        return read_junit(part.result)
    figures = json.loads(part.result.read_text(encoding="utf-8"))
    if part.name == "build":
        figures = figures["left_out"]
        return figures, "; ".join(f"{library}: {reason}" for library, reason in sorted(figures.items()))
    return figures, ""


def _sanitizer_summary(text: str) -> str:
    found = re.findall(r"=+ ((?:ERROR|RACECHECK) SUMMARY: .*)", text)
    return str(found[-1]) if found else ""


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it printed nothing"


def read_junit(path: Path) -> tuple[dict[str, Any], str]:
    """Counts, the failures with their messages, and the reasons of skips, from pytest's XML report."""
    failures: list[dict[str, str]] = []
    skipped: dict[str, int] = {}
    passed = 0
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        name = f"{case.get('classname')}::{case.get('name')}"
        bad = next((found for kind in ("failure", "error") if (found := case.find(kind)) is not None), None)
        skip = case.find("skipped")
        if bad is not None:
            failures.append({"test": name, "message": (bad.get("message") or "").strip()[:500]})
        elif skip is not None:
            reason = skip.get("message") or ""
            skipped[reason] = skipped.get(reason, 0) + 1
        else:
            passed += 1
    figures = {"passed": passed, "failed": len(failures), "skipped": skipped, "failures": failures}
    first = f"; first: {failures[0]['test']}: {failures[0]['message']}" if failures else ""
    return figures, f"{passed} passed, {len(failures)} failed, {sum(skipped.values())} skipped{first}"


def table(card: dict[str, str], outcomes: list[Outcome]) -> list[str]:
    """At most TABLE_LINES lines: each part's end, then each benchmark case's medians."""
    lines = [f"{card['name']}, {card['memory.total']}, driver {card['driver_version']}, sm_{card['compute_cap']}"]
    for outcome in outcomes:
        first = (outcome.message.splitlines() or [""])[0]
        lines.append(f"{outcome.name:<14}{outcome.state:<9}{outcome.seconds:6.0f} s  {first}"[:160])
    for outcome in outcomes:
        cases: dict[tuple[str, str], list[str]] = {}
        for record in outcome.figures.get("cases", []):
            figure = f"{record['impl']} {record['median_ms']:.3g}"
            cases.setdefault((record["case"], record["dtype"]), []).append(figure)
        lines += [f"{case}, {dtype}, ms: {', '.join(figures)}"[:160] for (case, dtype), figures in cases.items()]
    return lines if len(lines) <= TABLE_LINES else [*lines[: TABLE_LINES - 1], "… the rest is in the JSON file"]


if __name__ == "__main__":
    sys.exit(main())
