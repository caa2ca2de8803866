"""Safetensors files as arrays by name: a bounded JSON header and plain numbers, no pickle."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from gantool.data.formats.npy import Array
from gantool.errors import UsageError

# Types that NumPy has, and bfloat16, which becomes float32 without loss.
_TYPES = {
    torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.bool,
    torch.float16, torch.bfloat16, torch.float32, torch.float64,
}  # fmt: skip


def read_tensors(path: Path) -> dict[str, Array]:
    """Reads a .safetensors file → its arrays by name, in alphabetical order.

    The library checks the header's length, every offset against the file's size, and that no byte is left over.
    Raises UsageError naming the file: missing, unreadable, damaged, cut short, or holding another type than numbers.
    """
    try:
        path.open("rb").close()  # what cannot be opened is not damaged
        with safe_open(path, framework="pt") as archive:
            return {name: _array(archive.get_tensor(name), f"{path} ({name})") for name in sorted(archive.keys())}
    except SafetensorError as error:
        raise UsageError(f"{path} is damaged: expected an intact .safetensors file, but {error}.") from error
    except FileNotFoundError as error:
        raise UsageError(f"{path} does not exist.") from error
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}.") from error


def _array(tensor: torch.Tensor, where: str) -> Array:
    if tensor.dtype not in _TYPES:
        raise UsageError(f"{where} has the type {tensor.dtype}: save it as uint8 or as float16, float32 or float64.")
    array: Array = (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()
    return array
