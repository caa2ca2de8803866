"""Training killed without warning, again and again, still ends as the run that was never killed."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

KILLS = 12
STEPS = 3000
OPTIONS = ("--set", "training.log_every=20", "--set", "training.checkpoint_every=20", "--steps", str(STEPS))


def train(*arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "gantool", "train", *arguments]
    return subprocess.Popen(command, stderr=subprocess.DEVNULL)


@pytest.mark.torture
def test_killed_at_random_moments_and_resumed(tmp_path: Path) -> None:
    assert train(*OPTIONS, "--out", str(tmp_path / "straight")).wait() == 0
    rng = random.Random(0)
    arguments = [*OPTIONS]
    for _ in range(KILLS):
        with train(*arguments, "--out", str(tmp_path / "killed")) as process:
            time.sleep(rng.uniform(3.0, 6.0))
            process.kill()
        if list(tmp_path.glob("killed/*/checkpoints/step-*")):
            arguments = ["--resume", "1"]
    assert train("--resume", "1", "--out", str(tmp_path / "killed")).wait() in (0, 2)  # 2: it was there already
    last = f"0001-digits/checkpoints/step-{STEPS:07d}"
    for name in ("generator", "discriminator", "optimizer", "rng"):
        one, other = (tmp_path / kind / last / f"{name}.safetensors" for kind in ("straight", "killed"))
        assert one.read_bytes() == other.read_bytes()
    lines = [json.loads(line) for line in (tmp_path / "killed/0001-digits/metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(20, STEPS + 1, 20))
    assert not list((tmp_path / "killed").rglob("*.part"))
