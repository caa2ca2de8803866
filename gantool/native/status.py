"""What the compiled kernels are: of this process, or as a child process tells, which a damaged library may kill."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from gantool.native.libraries import DISABLE, PACKAGE, REMEDY, LibraryStatus, how_it_ended, inspect


@dataclass(frozen=True)
class NativeStatus:
    """The compiled kernels of one process.

    `cpu` and `cuda` say whether each library is loaded, and if not, why and what to do; so does `host` of the module
    that knows the CPU variants. `cpu_variants` lists, for each operator, the instruction sets that its CPU kernel can
    use on this processor; it is empty without that module. `chosen` names what an operator's call on the CPU runs.
    """

    cpu: LibraryStatus
    cuda: LibraryStatus
    host: LibraryStatus
    cpu_variants: dict[str, list[str]] = field(default_factory=dict)
    chosen: dict[str, str] = field(default_factory=dict)


def native_status() -> NativeStatus:
    """What is loaded in this process, with reasons and remedies; loads what may be loaded."""
    import torch

    from gantool.native import load as native
    from gantool.ops import selected_impl

    host, variants = inspect("_host"), {}
    if not host.reason:
        module: Any = importlib.import_module("gantool._host")
        host = LibraryStatus(True, host.path)
        variants = {"maxout": module.maxout_variants(), "parzen_log_density": module.parzen_variants()}
    rows, weight = torch.zeros(1, 1, device="cpu"), torch.zeros(1, 5, 1, device="cpu")  # the usual number of pieces
    chosen = {
        "maxout": selected_impl("maxout", rows, weight),
        "parzen_log_density": selected_impl("parzen_log_density", rows, rows),
    }
    return NativeStatus(native.CPU, native.CUDA, host, variants, chosen)


def status_of_child() -> NativeStatus:
    """As :func:`native_status`, of a child process: this one loads nothing, and outlives a library that kills."""
    code = "import sys; sys.path[0] = sys.argv[1]; from gantool.native.status import tell; tell()"
    finished = subprocess.run(
        [sys.executable, "-c", code, str(PACKAGE.parent)], capture_output=True, text=True, errors="replace", check=False
    )
    if finished.returncode != 0:
        reason = f"the kernels could not be tried in a child process ({how_it_ended(finished)})"
        unknown = LibraryStatus(False, None, reason, f"{REMEDY}, or set {DISABLE}=1")
        return NativeStatus(unknown, unknown, unknown)
    told = json.loads(finished.stdout.splitlines()[-1])
    cpu, cuda, host = (_status(told[name]) for name in ("cpu", "cuda", "host"))
    return NativeStatus(cpu, cuda, host, told["cpu_variants"], told["chosen"])


def tell() -> None:
    """Prints this process's status as JSON: what the child process runs."""
    print(json.dumps(asdict(native_status()), default=str))


def _status(plain: dict[str, Any]) -> LibraryStatus:
    return LibraryStatus(**plain | {"path": Path(plain["path"]) if plain["path"] else None})
