"""Loads the compiled operators, and keeps the reason where they are not there.

Two libraries: `_ops` holds the operators' schemas and their CPU kernels, `_ops_cuda` the CUDA kernels.
Both are built at install (see `gantool.build`); nothing is compiled here.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch

PACKAGE: Final = Path(__file__).resolve().parents[1]
BUILD_RECORD: Final = PACKAGE / "_native_build.json"
DISABLED: Final = os.environ.get("GANTOOL_DISABLE_NATIVE", "") not in ("", "0")


@dataclass(frozen=True)
class LibraryStatus:
    """Whether one compiled library is loaded; where it is not, why and what to do about it."""

    loaded: bool
    path: Path | None = None
    reason: str = ""
    remedy: str = ""


def recorded_reason(library: str) -> str:
    """What the last build wrote down about a library it did not produce ("" where it says nothing)."""
    if not BUILD_RECORD.is_file():
        return ""
    record: dict[str, str] = json.loads(BUILD_RECORD.read_text(encoding="utf-8"))
    return record.get(library, "")


def _load(library: str) -> LibraryStatus:
    if DISABLED:
        return LibraryStatus(False, None, "GANTOOL_DISABLE_NATIVE is set", "unset GANTOOL_DISABLE_NATIVE")
    found = sorted(PACKAGE.glob(f"{library}.*so"))
    if not found:
        reason = recorded_reason(library) or f"no {library} library was built beside {PACKAGE.name}"
        return LibraryStatus(False, None, reason, "run `gantool build`")
    torch_ops: Any = torch.ops
    try:
        torch_ops.load_library(str(found[0]))
    except OSError as error:
        # A library built against another torch, say: the reason is kept for `gantool doctor` and for forced
        # `native`. torch's own message names the file alone; its cause names the symbol.
        first_line = str(error.__cause__ or error).splitlines()[0]
        return LibraryStatus(False, found[0], f"{found[0].name} does not load: {first_line}", "run `gantool build`")
    return LibraryStatus(True, found[0])


def _load_cuda() -> LibraryStatus:
    if torch.version.cuda is None:
        return LibraryStatus(False, None, f"torch {torch.__version__} is built without CUDA", "install a CUDA torch")
    # The schemas live in the CPU library, so that a CUDA library alone could register nothing.
    return _load("_ops_cuda") if CPU.loaded else CPU


CPU: Final = _load("_ops")
CUDA: Final = _load_cuda()


def missing(device: torch.device) -> str:
    """Why no compiled kernel runs on this device: one clause with its remedy, or "" where one does."""
    if device.type == "cpu":
        status = CPU
    elif device.type == "cuda":
        status = CUDA
    else:
        return f"there is no compiled kernel for {device.type} devices"
    return "" if status.loaded else f"{status.reason}; {status.remedy}"
