"""Imports go down only: no module imports one of a higher floor."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import gantool

PACKAGE = Path(gantool.__file__).parent
FLOORS = {
    "cli": 5, "__main__": 5,
    "training": 4, "evaluation": 4, "bench": 4, "report": 4, "reproduce": 4, "sweep": 4, "theory": 4, "doctor": 4,
    "imputation": 4,
    "runs": 3, "sampling": 3, "pictures": 3, "inference": 3,
    "numerics": 2, "models": 2, "nn": 2, "data": 2, "objectives": 2,
    "ops": 1, "config": 1, "errors": 1, "files": 1, "seeds": 1, "isolation": 1, "locks": 1,
    "progress": 1, "version": 1, "tables": 1,
    "native": 1,
}  # fmt: skip

# Which rooms of its own floor a room may import, and no others.
BESIDE = {
    "__main__": {"cli"},
    "bench": {"training"},
    "imputation": {"evaluation", "training"},
    "report": {"evaluation"},
    "reproduce": {"evaluation", "sweep", "training"},
    "sweep": {"evaluation", "training"},
    "runs": {"sampling"},
    "pictures": {"inference", "runs", "sampling"},
    "models": {"nn"},
    "native": {"errors", "files", "ops"},
    "ops": {"errors", "native"},
    "config": {"errors", "files"},
    "files": {"errors"},
    "seeds": {"errors"},
}


def room_of(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def imports_of(path: Path) -> set[str]:
    """Every module of the package that a file imports, at any depth of its code."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "gantool":
            found |= {f"gantool.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return {name for name in found if name == "gantool" or name.startswith("gantool.")}


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down(path: Path) -> None:
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if room == "__init__":
        return
    assert room in FLOORS, f"{room} has no floor: give it one"
    upward = [name for name in imports_of(path) if FLOORS.get(room_of(name), 0) > FLOORS[room]]
    assert not upward
    beside = {room_of(name) for name in imports_of(path) if FLOORS.get(room_of(name)) == FLOORS[room]} - {room}
    assert beside <= BESIDE.get(room, set())


def test_every_floor_and_every_declared_import_is_of_a_room_that_is_there() -> None:
    there = {path.name.removesuffix(".py") for path in PACKAGE.iterdir()}
    assert set(FLOORS) <= there
    used = {
        (path.relative_to(PACKAGE).parts[0].removesuffix(".py"), room_of(name))
        for path in PACKAGE.rglob("*.py")
        for name in imports_of(path)
    }
    assert {(room, other) for room, others in BESIDE.items() for other in others} <= used


def test_the_command_line_starts_without_torch() -> None:
    code = "import sys, gantool.cli.app; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_nothing_is_pickled() -> None:
    used = [
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if "pickle" in {name.split(".")[0] for name in _all_imports(path)} or "torch.save(" in path.read_text()
    ]
    assert not used


def _all_imports(path: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return plain | {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}


def test_training_knows_no_evaluation() -> None:
    found = {name for path in (PACKAGE / "training").rglob("*.py") for name in imports_of(path)}
    assert not {name for name in found if room_of(name) == "evaluation"}


def test_no_modules_import_one_another_in_a_circle() -> None:
    """While they load, that is: an import within a function happens when both are there."""
    modules = {_module_name(path): path for path in PACKAGE.rglob("*.py")}
    left = {name: _loading_imports(ast.parse(path.read_text(encoding="utf-8")).body) for name, path in modules.items()}
    left = {name: (imports & modules.keys()) - {name} for name, imports in left.items()}
    while free := [name for name, imports in left.items() if not imports]:
        for name in free:
            del left[name]
        left = {name: imports - set(free) for name, imports in left.items()}
    assert not left, "a circle, or what hangs on one"


def _module_name(path: Path) -> str:
    parts = ("gantool", *path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _loading_imports(body: list[ast.stmt]) -> set[str]:
    """What statements import while their module loads; of a package, the submodules that are named."""
    found: set[str] = set()
    for node in body:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inside = {f"{node.module}.{alias.name}" for alias in node.names}
            submodules = {name for name in inside if _is_module(name)}
            found |= submodules if submodules == inside else {node.module, *submodules}
        elif not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            for part in ("body", "orelse", "finalbody"):
                found |= _loading_imports(getattr(node, part, []))
    return found


def _is_module(name: str) -> bool:
    path = PACKAGE.parent.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()
