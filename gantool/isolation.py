"""Work that needs gradients, whatever modes the caller has torch in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch


@contextmanager
def own_modes() -> Iterator[None]:
    """Gradients on, inference mode and autocast off; afterwards the caller's modes again. Also a decorator.

    Torch keeps all three for each thread, so that no other one sees this.
    """
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        for device in ("cpu", "cuda"):
            if torch.is_autocast_enabled(device):
                stack.enter_context(torch.autocast(device, enabled=False))
        yield


def recordable(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor, or a copy where it was made in inference mode: autograd refuses such tensors for good."""
    return tensor.clone() if tensor.is_inference() else tensor
