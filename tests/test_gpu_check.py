"""The GPU check without a GPU: what it says, what it reads of its parts, and how it stops them."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "benchmarks" / "gpu_check.py"
CARD = {"name": "A card", "memory.total": "8 MiB", "driver_version": "1", "compute_cap": "9.0"}


@pytest.fixture(scope="module")
def check() -> ModuleType:
    specification = importlib.util.spec_from_file_location("gpu_check", SCRIPT)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules["gpu_check"] = module  # dataclasses look their module up
    specification.loader.exec_module(module)
    return module


def test_without_a_gpu_nothing_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # no nvidia-smi there
    command = [sys.executable, str(SCRIPT), "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "no GPU: nothing was run\n")
    report = json.loads((tmp_path / "gpu-check.json").read_text(encoding="utf-8"))
    assert report["card"] is None
    assert report["parts"] == []


def part(check: ModuleType, code: str, most: float = 60.0) -> object:
    return check.Part("a part", [sys.executable, "-c", code], most)


def test_a_part_that_fails_says_why_and_one_that_hangs_is_stopped(
    check: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "GRACE", 1.0)
    end = time.monotonic() + 60
    passed = check.run(part(check, "print('fine')"), end, tmp_path, CARD)
    failed = check.run(part(check, "raise SystemExit('it broke')"), end, tmp_path, CARD)
    hung = check.run(part(check, "import time; time.sleep(600)", 0.5), end, tmp_path, CARD)
    late = check.run(part(check, "print('fine')"), time.monotonic(), tmp_path, CARD)
    absent = check.run(check.Part("absent", ["no-such-program"], 1.0), end, tmp_path, CARD)
    states = [outcome.state for outcome in (passed, failed, hung, late, absent)]
    assert states == ["passed", "failed", "stopped", "not run", "not run"]
    assert failed.message == "it broke"
    assert absent.message == "no-such-program is not on the PATH"


def test_the_tests_are_read_from_pytests_own_report(check: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "test_a.py").write_text(
        "import pytest\ndef test_good(): pass\ndef test_bad(): assert 1 == 2, 'no'\n"
        "def test_left(): pytest.skip('why')\n",
        encoding="utf-8",
    )
    report = tmp_path / "tests.xml"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", str(tmp_path)]
    subprocess.run(command, capture_output=True, check=False, cwd=tmp_path)
    figures, message = check.read_junit(report)
    assert (figures["passed"], figures["failed"], sum(figures["skipped"].values())) == (1, 1, 1)
    assert message.startswith("1 passed, 1 failed, 1 skipped; first: test_a::test_bad: AssertionError: no")


def test_the_table_is_short_whatever_came(check: ModuleType) -> None:
    cases = [{"case": f"case {i}", "dtype": "float32", "impl": "native", "median_ms": 1.0} for i in range(90)]
    outcomes = [check.Outcome("bench", "", "passed", figures={"cases": cases})]
    lines = check.table(CARD, outcomes)
    assert len(lines) == 40
    assert lines[-1] == "… the rest is in the JSON file"
