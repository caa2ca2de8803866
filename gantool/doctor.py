"""What is installed here, which device, data and kernels a command would use, and the remedy for each lack."""

from __future__ import annotations

import importlib.metadata
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from gantool.data.registry import DATASETS, data_root
from gantool.native.status import status_of_child
from gantool.runs.environment import processor_name

State = Literal["good", "lacking", "optional"]
REQUIRED = ("torch", "numpy", "typer", "rich", "safetensors", "scikit-learn", "pillow", "pooch", "matplotlib")
EXTRAS = {
    "tensorboard": "pip install 'gantool[tensorboard]'",
    "torch-fidelity": "pip install 'gantool[fidelity]'",
}
DISK_NEEDED = 2**30


@dataclass(frozen=True)
class Finding:
    """One line of the report. `remedy` says what to do where the state is not good."""

    topic: str
    name: str
    state: State
    detail: str
    remedy: str = ""


def examine(root: Path | None, runs_dir: Path) -> list[Finding]:
    """Looks at packages, devices, kernels, data and disk; changes nothing."""
    return [*_packages(), *_devices(), *_kernels(), *_data(root), _disk(runs_dir)]


def _packages() -> list[Finding]:
    findings = [Finding("package", name, "good", importlib.metadata.version(name)) for name in REQUIRED]
    for name, remedy in EXTRAS.items():
        try:
            findings.append(Finding("package", name, "good", importlib.metadata.version(name)))
        except importlib.metadata.PackageNotFoundError:
            findings.append(Finding("package", name, "optional", "not installed", remedy))
    return findings


def _devices() -> list[Finding]:
    threads = f"{processor_name()}, {torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}"
    findings = [Finding("device", "cpu", "good", threads)]
    for index in range(torch.cuda.device_count()):
        findings.append(Finding("device", f"cuda:{index}", "good", torch.cuda.get_device_name(index)))
    if torch.cuda.device_count() == 0:
        why = "this torch is built without CUDA" if torch.version.cuda is None else "torch sees no CUDA device"
        remedy = "install a CUDA build of torch" if torch.version.cuda is None else "check the driver with nvidia-smi"
        findings.append(Finding("device", "cuda", "optional", why, remedy))
    return findings


def _kernels() -> list[Finding]:
    """What a child process says: a damaged library is told, whatever it does."""
    findings = []
    status_now = status_of_child()
    for library, status in (("cpu", status_now.cpu), ("cuda", status_now.cuda)):
        if status.loaded:
            findings.append(Finding("kernels", library, "good", status.path.name if status.path else ""))
        else:
            state: State = "lacking" if library == "cpu" else "optional"
            findings.append(Finding("kernels", library, state, status.reason, status.remedy))
    if status_now.host.path and not status_now.host.loaded:
        findings.append(Finding("kernels", "variants", "optional", status_now.host.reason, status_now.host.remedy))
    for operator, impl in status_now.chosen.items():
        variants = ", ".join(status_now.cpu_variants.get(operator, ()))
        detail = f"{impl}; here are {variants}" if variants else impl
        findings.append(Finding("operator", operator, "good", detail))
    return findings


def _data(explicit: Path | None) -> list[Finding]:
    root = data_root(explicit)
    findings = [Finding("data", "root", "good", str(root))]
    for name, entry in DATASETS.items():
        if name == "array":  # the user's own file: nothing to find in advance
            continue
        if entry.remote is None or not entry.remote.missing(root):
            findings.append(Finding("data", name, "good", "ready"))
        else:
            findings.append(Finding("data", name, "optional", "not here", f"gantool data fetch {name}"))
    return findings


def _disk(runs_dir: Path) -> Finding:
    existing = next(path for path in (runs_dir.absolute(), *runs_dir.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    detail = f"{free / 2**30:.1f} GiB free at {existing}"
    if free >= DISK_NEEDED:
        return Finding("disk", "runs", "good", detail)
    return Finding("disk", "runs", "lacking", detail, "free some space, or choose another folder with --out")
