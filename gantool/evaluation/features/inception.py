"""Inception features as the literature takes them: torch-fidelity's network, weights and resizing."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from importlib import metadata
from typing import Any

import torch
from torch import Tensor

from gantool.errors import GantoolError, UsageError
from gantool.progress import Progress, silent

_PACKAGE = "torch-fidelity"
_NETWORK, _LAYER = "inception-v3-compat", "2048"
_BATCH = 50


class Inception:
    """The network of the Fréchet Inception distance, from torch-fidelity; `about` names its version.

    Raises UsageError where torch-fidelity cannot be imported, GantoolError where its weights cannot be had.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        network = _network()
        self.about = f"Inception v3 pool features, {_PACKAGE} {metadata.version(_PACKAGE)}"
        self._apply: Callable[[Tensor], tuple[Tensor, ...]] = network.to(device)

    def features(self, images: Tensor, stage: str = "Inception", progress: Progress = silent) -> Tensor:
        """Images [N, C, H, W] in [0, 1], C 1 or 3 → features [N, 2048]. Values outside are cut, grey is repeated."""
        parts = []
        with torch.inference_mode():
            for part in torch.split(images, _BATCH):
                # The network takes bytes, as pictures are stored: rounded, not cut off.
                pixels = part.clamp(0, 1).mul(255).round().to(torch.uint8)
                parts.append(self._apply(pixels.expand(-1, 3, -1, -1).to(self.device))[0].cpu())
                progress(stage, sum(map(len, parts)), len(images))
        return torch.cat(parts)


def _network() -> Any:
    try:
        fidelity = importlib.import_module("torch_fidelity")
    except Exception as error:  # an import of torchvision against another torch fails in many ways
        raise UsageError(
            f"--inception needs {_PACKAGE}, which cannot be imported ({error}): pip install 'gantool[fidelity]'."
        ) from error
    try:
        return fidelity.FeatureExtractorInceptionV3(_NETWORK, [_LAYER])
    except OSError as error:  # urllib's errors, too
        raise GantoolError(
            f"Inception's weights cannot be had ({error}): {_PACKAGE} downloads them from GitHub once; put them into "
            f"{torch.hub.get_dir()}/checkpoints, or leave out --inception."
        ) from error
