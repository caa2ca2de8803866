"""Draws the samples of docs/models.md, and records what each run cost: one row a run, from its own records.

    python benchmarks/model_sheets.py docs/models OUT.json RUNS...

The picture is the first rows of the run's last sheet of samples, which are not chosen.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from PIL import Image

ROWS = 2
LOOK = ("step", "collapse_score", "distinct_samples", "validation_log_likelihood", "validation_sigma")


def main() -> None:
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    folder, out, runs = Path(sys.argv[1]), Path(sys.argv[2]), [Path(run) for run in sys.argv[3:]]
    folder.mkdir(parents=True, exist_ok=True)
    records = [record(run) for run in runs]
    for run in runs:
        draw(run, folder / f"{run.name[5:]}.png")
    out.write_text(json.dumps(records, indent=2) + "\n", encoding="utf-8")


def record(run: Path) -> dict[str, Any]:
    """What was run, where, how far it came and what it cost."""
    config, environment = (json.loads((run / f"{name}.json").read_text()) for name in ("config", "environment"))
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    looks = [line for line in lines if "distinct_samples" in line]
    ending = run / "ending.json"
    keys = ("step", "epoch", "discriminator_loss", "generator_loss", "seconds")
    return {
        "run": run.name[5:],
        "command": " ".join(["gantool", *_without_places(environment["command"][1:])]),
        "seed": config["training"]["seed"],
        "data": json.loads((run / "dataset.json").read_text())["name"],
        "device": environment.get("gpu") or f"{environment['processor']}, {environment['threads']} threads",
        "torch": environment["torch"],
        "last": {key: lines[-1][key] for key in keys},
        "last_look": {key: looks[-1][key] for key in LOOK if key in looks[-1]} if looks else None,
        "ended": json.loads(ending.read_text()) if ending.is_file() else {"ended": "finished"},
    }


def _without_places(words: list[str]) -> list[str]:
    """A command line without the option that says where the run lies."""
    at = words.index("--runs-dir") if "--runs-dir" in words else len(words)
    return words[:at] + words[at + 2 :]


def draw(run: Path, path: Path) -> None:
    """Nothing where the run never came to a sheet."""
    sheets = sorted((run / "samples").glob("step-*.png"))
    if not sheets:
        return
    with Image.open(sheets[-1]) as sheet:
        tile = sheet.width / 10
        sheet.crop((0, 0, sheet.width, round(ROWS * tile))).save(path, optimize=True)


if __name__ == "__main__":
    main()
