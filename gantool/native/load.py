"""Loads the compiled operators, and keeps the reason where they are not there.

Two libraries: `_ops` holds the operators' schemas and their CPU kernels, `_ops_cuda` the CUDA kernels. Both are built
at install (see `gantool.native.build`); nothing is compiled here, and nothing is loaded but what was built.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import torch

from gantool.native.libraries import PACKAGE, REMEDY, LibraryStatus, inspect


def load(library: str, folder: Path = PACKAGE) -> LibraryStatus:
    """Loads a library of operators from `folder`, unless it is not what was built."""
    found = inspect(library, folder)
    if found.path is None or found.reason:
        return found
    torch_ops: Any = torch.ops
    try:
        torch_ops.load_library(str(found.path))
    except OSError as error:
        # A library built against another torch, say: the reason is kept for `gantool doctor` and for forced
        # `native`. torch's own message names the file alone; its cause names the symbol.
        first_line = str(error.__cause__ or error).splitlines()[0]
        return LibraryStatus(False, found.path, f"{found.path.name} does not load: {first_line}", REMEDY)
    return LibraryStatus(True, found.path)


def _load_cuda() -> LibraryStatus:
    if torch.version.cuda is None:
        return LibraryStatus(False, None, f"torch {torch.__version__} is built without CUDA", "install a CUDA torch")
    # The schemas live in the CPU library, so that a CUDA library alone could register nothing.
    return load("_ops_cuda") if CPU.loaded else CPU


CPU: Final = load("_ops")
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
