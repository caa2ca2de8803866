"""Checkpoints: safetensors for every tensor, JSON for the rest, a checksum on each file, and no pickle.

A checkpoint is a folder `step-0000150/` with one safetensors file a group (generator, discriminator, optimizer, rng)
and `state.json`, which holds the step and the files' SHA-256. The folder is written under another name and renamed, so
that one that is there is complete. Torch is imported where tensors are written or read: which checkpoints there are can
be asked without it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gantool.errors import GantoolError, UsageError
from gantool.files import sync

if TYPE_CHECKING:
    import torch

FORMAT = 1
Groups = dict[str, dict[str, "torch.Tensor"]]


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that was read back whole."""

    path: Path
    step: int
    groups: Groups


def save_checkpoint(folder: Path, step: int, groups: Mapping[str, Mapping[str, torch.Tensor]]) -> Path:
    """Writes `folder`/step-<step>/ and returns its path. A failure leaves nothing behind; OSError tells what it was."""
    from safetensors.torch import save

    final = folder / f"step-{step:07d}"
    partial = folder / f".{final.name}.{os.getpid()}.part"
    shutil.rmtree(partial, ignore_errors=True)  # an earlier process had the same number
    partial.mkdir(parents=True)
    try:
        checksums = {}
        for name, tensors in groups.items():
            content = save({key: value.detach().cpu().contiguous() for key, value in tensors.items()})
            _write(partial / f"{name}.safetensors", content)
            checksums[f"{name}.safetensors"] = hashlib.sha256(content).hexdigest()
        state = {"format": FORMAT, "step": step, "sha256": checksums}
        _write(partial / "state.json", (json.dumps(state, indent=2) + "\n").encode())
        sync(partial)
        if final.exists():
            _discard(final)
        partial.rename(final)
        sync(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return final


def _write(file: Path, content: bytes) -> None:
    """Through Python's own files, which follow the umask and take any name; the library's do neither."""
    file.write_bytes(content)
    sync(file)


def checkpoint_steps(folder: Path) -> list[int]:
    """The steps that have a checkpoint in `folder`, in ascending order."""
    if not folder.is_dir():
        return []
    names = (entry.name for entry in folder.iterdir() if entry.is_dir())
    return sorted(int(name[5:]) for name in names if name.startswith("step-") and name[5:].isdigit())


def find_checkpoint(folder: Path, step: int | None = None) -> Path:
    """The checkpoint of `step`, or the newest. UsageError where there is none."""
    # A listing that was begun before the newest was there may end after the one before it has gone.
    steps = checkpoint_steps(folder) or checkpoint_steps(folder)
    if not steps:
        raise UsageError(
            f"There is no checkpoint in {folder}: the run was stopped before it saved one; train it again."
        )
    if step is not None and step not in steps:
        raise UsageError(f"There is no checkpoint of step {step} in {folder}; there are {', '.join(map(str, steps))}.")
    return folder / f"step-{steps[-1] if step is None else step:07d}"


def read_checkpoint(path: Path, groups: tuple[str, ...]) -> Checkpoint:
    """Reads the named groups, on the CPU, checking every file against its checksum.

    Raises GantoolError, in one sentence, where the checkpoint is damaged or cannot be read; FileNotFoundError where it
    is gone.
    """
    try:
        state = json.loads(_content(path, "state.json"))
        step, checksums, version = int(state["step"]), dict(state["sha256"]), state["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(path, f"state.json is not what was written ({error})") from error
    if version != FORMAT:
        raise GantoolError(f"The checkpoint {path} has format {version}, and this version of gantool reads {FORMAT}.")
    return Checkpoint(path, step, {name: _read_group(path, name, checksums) for name in groups})


def _read_group(path: Path, name: str, checksums: dict[str, str]) -> dict[str, torch.Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load

    file = f"{name}.safetensors"
    content = _content(path, file)
    if hashlib.sha256(content).hexdigest() != checksums.get(file):
        raise _damaged(path, f"{file} does not match its checksum")
    try:
        return load(content)
    except SafetensorError as error:
        raise _damaged(path, f"{file} is not what was written ({error})") from error


def _content(path: Path, name: str) -> bytes:
    """A file of a checkpoint. One that is missing from a checkpoint that is there was taken out of it."""
    try:
        return (path / name).read_bytes()
    except FileNotFoundError as error:
        if not path.is_dir():
            raise
        raise _damaged(path, f"{name} is missing") from error
    except OSError as error:
        raise GantoolError(
            f"The checkpoint {path} cannot be read ({name}: {error.strerror or error}), which does not mean that it is "
            f"damaged."
        ) from error


def _damaged(path: Path, why: str) -> GantoolError:
    return GantoolError(
        f"The checkpoint {path} is damaged: {why}; move that folder elsewhere to go on from the checkpoint before it."
    )


def drop_checkpoints_after(folder: Path, step: int) -> None:
    """Deletes the checkpoints of later steps: a run that goes on from `step` makes them again."""
    for later in checkpoint_steps(folder):
        if later > step:
            _discard(folder / f"step-{later:07d}")


def prune_checkpoints(folder: Path, keep: int, spare: int | None = None) -> None:
    """Deletes all but the newest `keep` checkpoints and that of the step `spare`; `keep` 0 keeps them all."""
    for step in checkpoint_steps(folder)[:-keep] if keep else []:
        if step != spare:
            _discard(folder / f"step-{step:07d}")


def _discard(path: Path) -> None:
    """Deletes a checkpoint. It disappears at once, so that nobody finds half of one."""
    doomed = path.with_name(f".{path.name}.{os.getpid()}.old.part")
    shutil.rmtree(doomed, ignore_errors=True)
    path.rename(doomed)
    shutil.rmtree(doomed)
