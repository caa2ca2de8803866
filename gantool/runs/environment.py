"""What a result depends on besides its configuration: the machine and the versions of what ran."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from typing import Any

import numpy
import torch

from gantool.version import __version__


def processor_name() -> str:
    """The processor's own name where the system tells it, else its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def describe_environment(device: torch.device | None = None) -> dict[str, Any]:
    """Versions, processor, threads and, for a CUDA device, the GPU: what environment.json and benchmarks record."""
    facts: dict[str, Any] = {
        "gantool": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "platform": platform.platform(),
        "processor": processor_name(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "cuda": torch.version.cuda,
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
    }
    if device is not None:
        facts["device"] = str(device)
        if device.type == "cuda":
            facts["gpu"] = torch.cuda.get_device_name(device)
    return facts
