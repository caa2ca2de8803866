"""Builds the compiled kernels later: what `gantool build` calls. Loads none of them, since one may be damaged."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any

from gantool.errors import GantoolError
from gantool.native.libraries import LIBRARIES, PACKAGE, read_record
from gantool.native.plan import source_folder


@dataclass(frozen=True)
class BuildReport:
    """What one `build` did: the libraries that are there, and a sentence for each that is not."""

    built: tuple[str, ...]
    skipped: tuple[str, ...]
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """The report as plain data, for `--json`."""
        return asdict(self)


def build(verbose: bool = False) -> BuildReport:
    """Compiles the kernels beside the package; they are used from the next start of Python on.

    With `verbose` the compilers' output goes to stderr as it comes. Raises GantoolError where there is
    nothing to compile, no place to write to, or the build itself breaks; a library that does not compile is
    reported, with its reason, in `skipped`.
    """
    if source_folder() is None:
        raise GantoolError(f"the C++ sources are not beside {PACKAGE}: reinstall gantool, or build in a checkout")
    if not os.access(PACKAGE, os.W_OK):
        raise GantoolError(f"{PACKAGE} cannot be written to: run `gantool build` as the user who installed it")
    started = time.monotonic()
    finished = subprocess.run(
        [sys.executable, "-m", "gantool.native.plan"],
        cwd=PACKAGE.parent,
        stdout=sys.stderr if verbose else subprocess.PIPE,
        stderr=None if verbose else subprocess.STDOUT,
        text=True,
        check=False,
    )
    if finished.returncode != 0:
        last = (finished.stdout or "see the output above").strip().splitlines()[-1:]
        raise GantoolError(f"the kernels could not be built ({last[0]}); `gantool build --verbose` shows all")
    reasons = read_record().left_out
    return BuildReport(
        built=tuple(name for name in LIBRARIES if name not in reasons),
        skipped=tuple(f"{name} was left out: {reason}." for name, reason in sorted(reasons.items())),
        seconds=time.monotonic() - started,
    )
