"""The build decides from what is there, survives a missing compiler, and says why."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gantool.native import plan as extensions
from gantool.native.libraries import read_record

ROOT = Path(__file__).resolve().parents[2]


def fake_toolkit(folder: Path, release: str) -> str:
    """A CUDA home whose nvcc answers --version as the real one does."""
    nvcc = folder / "bin" / "nvcc"
    nvcc.parent.mkdir(parents=True)
    nvcc.write_text(f"#!/bin/sh\necho 'Cuda compilation tools, release {release}, V{release}.88'\n")
    nvcc.chmod(0o755)
    header = folder / "include" / "cuda_runtime_api.h"
    header.parent.mkdir()
    header.touch()
    return str(folder)


def test_cuda_is_built_when_torch_and_nvcc_agree_on_the_major_version(tmp_path: Path) -> None:
    home = fake_toolkit(tmp_path, "13.0")
    assert extensions.missing_nvcc("13.2", home) == ""
    assert extensions.missing_nvcc("12.8", home) == "nvcc is of CUDA 13.0 and torch of CUDA 12.8"
    assert extensions.missing_nvcc(None, home) == "torch is built without CUDA"
    assert "nvcc was not found" in extensions.missing_nvcc("13.0", None)
    assert "nvcc was not found" in extensions.missing_nvcc("13.0", str(tmp_path / "nowhere"))
    (tmp_path / "include" / "cuda_runtime_api.h").unlink()
    assert extensions.missing_nvcc("13.0", home).startswith(f"CUDA's headers are not in {home}/include")


def test_a_disabled_build_plans_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANTOOL_DISABLE_NATIVE", "1")
    planned, skipped = extensions.plan()
    assert planned == []
    assert skipped == dict.fromkeys(extensions.LIBRARIES, "GANTOOL_DISABLE_NATIVE was set at the build")


def test_the_plan_holds_every_core_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GANTOOL_DISABLE_NATIVE", raising=False)
    planned, _ = extensions.plan()
    sources = {str(path.relative_to(ROOT)) for path in (ROOT / "csrc").rglob("*.cpp")}
    models = {path for path in sources if path.startswith("csrc/model/")}
    operators = {path for path in sources if path.endswith("/torch_cpu.cpp")}
    cores = {path for path in sources - models - operators if not path.endswith("/torch_cuda.cpp")}
    by_name = {extension.name: set(extension.sources) for extension in planned}
    assert by_name["gantool._ops"] == cores | operators
    assert by_name["gantool._host"] == cores | models


def build_without_compiler(tmp_path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs setup.py's build_ext on a copy of the sources, with a compiler that always fails."""
    for name in ("csrc", "gantool"):
        ignored = shutil.ignore_patterns("*.so", "*.json", "__pycache__")
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
    for name in ("setup.py", "pyproject.toml", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "README.md").write_text("A copy.\n")
    broken = tmp_path / "c++"
    broken.write_text("#!/bin/sh\necho 'internal compiler error' >&2\nexit 1\n")
    broken.chmod(0o755)
    cleared = {k: v for k, v in os.environ.items() if not k.startswith("GANTOOL_")}
    return subprocess.run(
        [sys.executable, "setup.py", "build_ext", "--inplace"],
        cwd=tmp_path,
        env={**cleared, "CC": str(broken), "CXX": str(broken), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_missing_compiler_is_a_warning_and_a_recorded_reason(tmp_path: Path) -> None:
    finished = build_without_compiler(tmp_path)
    assert finished.returncode == 0, finished.stderr
    warnings = [line for line in finished.stderr.splitlines() if line.startswith("warning: gantool")]
    assert len(warnings) == 1
    assert "see `gantool doctor`" in warnings[0]
    record = read_record(tmp_path / "gantool")
    assert record.built == {}
    assert record.left_out["_ops"].startswith("compilation failed")
    assert record.left_out["_host"].startswith("compilation failed")


def test_required_kernels_make_a_missing_compiler_fatal(tmp_path: Path) -> None:
    assert build_without_compiler(tmp_path, GANTOOL_REQUIRE_NATIVE="1").returncode != 0
