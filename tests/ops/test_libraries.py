"""Only a library that is what was built is loaded; what is damaged is told, and a build mends it."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gantool.native import libraries
from gantool.native import status as kernels
from gantool.native.libraries import BuildRecord, FileFacts, inspect, put_in_place, read_record, write_record


@pytest.fixture(autouse=True)
def enabled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are looked at here, whether or not this process may load the kernels."""
    monkeypatch.delenv("GANTOOL_DISABLE_NATIVE", raising=False)


ROOT = Path(__file__).resolve().parents[2]
MODULE = "_host" + libraries.EXTENSION_SUFFIXES[0]
HOST = """
#include <Python.h>
static PyModuleDef module = {PyModuleDef_HEAD_INIT, "_host", nullptr, -1, nullptr};
PyMODINIT_FUNC PyInit__host() { return PyModule_Create(&module); }
"""
ABORTS = "#include <cstdlib>\n__attribute__((constructor)) static void at_load() { std::abort(); }\n"


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of the package, with its libraries, in a folder of its own."""
    return Path(shutil.copytree(ROOT / "gantool", tmp_path / "gantool", ignore=shutil.ignore_patterns("__pycache__")))


def python(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs Python on the copy of the package in `folder`."""
    cleared = {name: value for name, value in os.environ.items() if not name.startswith("GANTOOL_")}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**cleared, "PYTHONPATH": str(folder), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def recorded(folder: Path, name: str, content: bytes = b"as it was built") -> Path:
    """A file that the record in `folder` knows."""
    path = folder / name
    path.write_bytes(content)
    write_record(folder, BuildRecord({}, {name: FileFacts.of(path)}))
    return path


def cut_short(package: Path) -> None:
    for path in (*package.glob("_ops.*so"), *package.glob("_host.*so")):
        os.truncate(path, 40_960)


FALLS_BACK = """
import json, torch
from gantool.errors import UsageError
from gantool.native.status import native_status
from gantool.ops import maxout, selected_impl
x, weight, bias = torch.ones(2, 3), torch.ones(4, 2, 3), torch.zeros(4, 2)
said = ""
try:
    maxout(x, weight, bias, impl="native")
except UsageError as error:
    said = str(error)
print(json.dumps([said, maxout(x, weight, bias).tolist(), native_status().host.reason]))
"""

EXAMINES = """
import json
from dataclasses import asdict
from pathlib import Path
from gantool.doctor import examine
found = [asdict(finding) for finding in examine(None, Path("runs")) if finding.topic in ("kernels", "operator")]
print(json.dumps([found, "gantool/_" in Path("/proc/self/maps").read_text()]))
"""


@pytest.mark.native
def test_a_library_cut_short_is_not_loaded_and_the_reference_runs(package: Path) -> None:
    cut_short(package)
    finished = python(package.parent, "-c", FALLS_BACK)
    assert finished.returncode == 0, finished.stderr
    said, values, host = json.loads(finished.stdout)
    size = next((ROOT / "gantool").glob("_ops.*so")).stat().st_size
    assert f"is damaged: it has 40,960 bytes, and {size:,} were built; run `gantool build`" in said
    assert values == [[3.0] * 4] * 2
    assert "is damaged: it has 40,960 bytes" in host


@pytest.mark.native
@pytest.mark.parametrize("damaged", [True, False])
def test_the_doctor_tells_and_loads_nothing_itself(package: Path, damaged: bool) -> None:
    if damaged:
        cut_short(package)
    finished = python(package.parent, "-c", EXAMINES)
    assert finished.returncode == 0, finished.stderr
    found, loaded = json.loads(finished.stdout)
    assert not loaded
    by_name = {finding["name"]: finding for finding in found}
    assert by_name["cpu"]["state"] == ("lacking" if damaged else "good")
    assert by_name["maxout"]["detail"].startswith("reference" if damaged else "native")
    if damaged:
        assert "damaged" in by_name["cpu"]["detail"]
        assert by_name["cpu"]["remedy"] == by_name["variants"]["remedy"] == "run `gantool build`"


def test_the_status_outlives_a_library_that_kills(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (package / "native" / "load.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGBUS)\n")
    monkeypatch.setattr(kernels, "PACKAGE", package)
    status = kernels.status_of_child()
    assert not status.cpu.loaded
    assert "SIGBUS killed the process" in status.cpu.reason
    assert status.cpu.remedy == "run `gantool build`, or set GANTOOL_DISABLE_NATIVE=1"
    assert status.chosen == {}


def test_the_build_command_loads_neither_torch_nor_a_library() -> None:
    code = "import sys, gantool.native.build; sys.exit('torch' in sys.modules or 'gantool.ops' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_was_built_may_be_loaded(tmp_path: Path) -> None:
    path = recorded(tmp_path, "_ops.abi3.so")
    assert inspect("_ops", tmp_path) == libraries.LibraryStatus(False, path)


def test_a_file_that_is_not_what_was_built_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = recorded(tmp_path, "_ops.abi3.so")
    path.write_bytes(b"as it was broken")
    assert "it has 16 bytes, and 15 were built" in inspect("_ops", tmp_path).reason
    path.write_bytes(b"as it was bui1t")
    assert "its checksum is not that of what was built" in inspect("_ops", tmp_path).reason
    path.write_bytes(b"as it was built")

    def refuse(_: Path) -> FileFacts:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(FileFacts, "of", refuse)
    assert "cannot be read (Permission denied)" in inspect("_ops", tmp_path).reason


@pytest.mark.parametrize("text", ["", "{", "[]", '{"_ops_cuda": "no nvcc"}', '{"left_out": {}, "built": {"a": {}}}'])
def test_without_a_sound_record_nothing_is_loaded(tmp_path: Path, text: str) -> None:
    (tmp_path / "_ops.abi3.so").touch()
    (tmp_path / libraries.BUILD_RECORD).write_text(text)
    found = inspect("_ops", tmp_path)
    assert "is not in the record" in found.reason
    assert found.remedy == "run `gantool build`"


def test_a_recorded_reason_is_read_back(tmp_path: Path) -> None:
    assert inspect("_ops", tmp_path).reason == f"no _ops library was built beside {tmp_path.name}"
    write_record(tmp_path, BuildRecord({"_ops": "compilation failed: no g++"}))
    assert inspect("_ops", tmp_path).reason == "compilation failed: no g++"
    assert inspect("_ops_cuda", tmp_path).reason == f"no _ops_cuda library was built beside {tmp_path.name}"


@pytest.mark.parametrize("library", ["_ops", "_host"])
def test_a_library_that_does_not_load_takes_no_place(tmp_path: Path, library: str) -> None:
    built, target = tmp_path / "built.so", tmp_path / "place" / "lib.so"
    built.write_bytes(b"\x7fELF and no more")
    target.parent.mkdir()
    target.write_text("the old one")
    (target.parent / ".lib.so.1.part").write_text("of a build that was killed")
    assert put_in_place(library, built, target).startswith("it does not load (")
    assert [path.read_text() for path in target.parent.iterdir()] == ["the old one"]


def test_a_full_disk_leaves_the_old_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "lib.so"
    target.write_text("the old one")

    def half(_: Path, partial: Path) -> None:
        partial.write_text("hal")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copy", half)
    assert (
        put_in_place("_ops", tmp_path / "built.so", target) == "it could not be put in place (No space left on device)"
    )
    assert [path.read_text() for path in tmp_path.iterdir()] == ["the old one"]


def small_project(package: Path, library: str = "") -> Path:
    """The copy as a project whose C++ sources take a second: an operator library and a module that hold nothing."""
    root = package.parent
    for path in (*package.glob("*.so"), package / libraries.BUILD_RECORD):
        path.unlink(missing_ok=True)
    for name in ("setup.py", "pyproject.toml", "LICENSE"):
        shutil.copy(ROOT / name, root / name)
    (root / "README.md").write_text("A copy.\n")
    for path, text in (("nothing/torch_cpu.cpp", library), ("model/host_module.cpp", HOST)):
        (root / "csrc" / path).parent.mkdir(parents=True)
        (root / "csrc" / path).write_text(text)
    return root


@pytest.mark.skipif(shutil.which("c++") is None, reason="there is no compiler here")
def test_a_build_replaces_a_damaged_library_by_another_file_and_records_it(package: Path) -> None:
    root = small_project(package)
    damaged = package / "_ops.abi3.so"
    damaged.write_bytes(b"half of it")
    with damaged.open("rb") as held:
        finished = python(root, "-m", "gantool", "build", "--json")
        assert finished.returncode == 0, finished.stderr
        assert held.read() == b"half of it"  # what another process has loaded is not written over
    assert json.loads(finished.stdout)["built"] == ["_ops", "_host"]
    assert read_record(package).built == {name: FileFacts.of(package / name) for name in (damaged.name, MODULE)}
    assert [path for path in package.iterdir() if path.suffix == ".part"] == []


@pytest.mark.skipif(shutil.which("c++") is None, reason="there is no compiler here")
def test_a_build_keeps_the_old_library_where_the_new_one_kills(package: Path) -> None:
    root = small_project(package, ABORTS)
    old = recorded(package, "_ops.abi3.so")
    finished = python(root, "-m", "gantool", "build", "--json")
    assert finished.returncode == 0, finished.stderr
    report = json.loads(finished.stdout)
    assert report["built"] == ["_host"]
    assert any(said.startswith("_ops was left out: it does not load (SIGABRT") for said in report["skipped"])
    assert old.read_bytes() == b"as it was built"
    assert inspect("_ops", package).reason == ""


@pytest.mark.skipif(shutil.which("c++") is None, reason="there is no compiler here")
def test_an_install_writes_the_record_into_the_wheel(package: Path) -> None:
    root = small_project(package)
    finished = python(root, "setup.py", "build_ext", "--build-lib", "wheel")
    assert finished.returncode == 0, finished.stderr
    built = root / "wheel" / "gantool"
    assert set(read_record(built).built) == {"_ops.abi3.so", MODULE}
    assert inspect("_host", built).reason == ""
    assert not (package / libraries.BUILD_RECORD).exists()
