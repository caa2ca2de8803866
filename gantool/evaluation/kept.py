"""Tensors that are kept in the user's cache, as safetensors, with what they are of and a checksum over the values.

A cache is never trusted. Whatever else is in the file's place is told, and its owner computes the tensors again.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from gantool.files import replacing

# One entry: safetensors writes several in any order, and equal contents are to be equal files.
_ENTRY = "gantool"


class Kept(NamedTuple):
    """What a file holds: the tensors, or none and in `fault` a clause that says why; both are empty without a file."""

    tensors: dict[str, Tensor] | None = None
    fault: str = ""


def read_kept(path: Path, subject: str) -> Kept:
    """The tensors at `path`, where they are those of `subject` that :func:`keep` wrote."""
    try:
        if not os.path.lexists(path):
            return Kept()
        if not path.is_file():
            return Kept(fault="it is not a file")
        content = path.read_bytes()
        # By value: tensors of a mapped file would die with it.
        tensors = load(content)
    except OSError as error:
        return Kept(fault=f"it cannot be read: {error.strerror}")
    except (SafetensorError, KeyError, ValueError, RuntimeError):  # the last three where a header names odd types
        return Kept(fault="it is no safetensors file")
    label = _label(content)
    if label.get("of") != subject:
        return Kept(fault="it is not of these rows and settings")
    return Kept(tensors) if label.get("sha256") == _checksum(tensors) else Kept(fault="its checksum is another")


def _label(content: bytes) -> dict[str, str]:
    """What :func:`keep` wrote beside the tensors of a sound safetensors file."""
    size = int.from_bytes(content[:8], "little")
    try:
        found = json.loads(json.loads(content[8 : 8 + size])["__metadata__"][_ENTRY])
    except (KeyError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def keep(path: Path, subject: str, tensors: Mapping[str, Tensor]) -> str:
    """Writes the tensors of `subject` to `path`, atomically: a clause that says why it was not done, or ""."""
    label = json.dumps({"of": subject, "sha256": _checksum(tensors)})
    content = save({name: value.contiguous() for name, value in tensors.items()}, {_ENTRY: label})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as partial:
            partial.write_bytes(content)
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _checksum(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, types, shapes and values of tensors on the CPU."""
    digest = hashlib.sha256()
    for name, value in sorted(tensors.items()):
        digest.update(f"{name}/{value.dtype}/{tuple(value.shape)}".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
