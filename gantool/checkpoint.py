"""Checkpoints: safetensors for every tensor, JSON for the rest, a checksum on each file, and no pickle.

A checkpoint is a folder `step-0000150/` with one safetensors file a group (generator, discriminator, optimizer, rng)
and `state.json`, which holds the step and the files' SHA-256. The folder is written under another name and renamed, so
that one that is there is complete.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from gantool.errors import GantoolError, UsageError

FORMAT = 1
Groups = dict[str, dict[str, torch.Tensor]]


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that was read back whole."""

    path: Path
    step: int
    groups: Groups


def save_checkpoint(folder: Path, step: int, groups: Mapping[str, Mapping[str, torch.Tensor]]) -> Path:
    """Writes `folder`/step-<step>/ and returns its path. A failure leaves nothing behind; OSError tells what it was."""
    final = folder / f"step-{step:07d}"
    partial = folder / f".{final.name}.{os.getpid()}.part"
    partial.mkdir(parents=True)
    try:
        checksums = {}
        for name, tensors in groups.items():
            file = partial / f"{name}.safetensors"
            save_file({key: value.detach().cpu().contiguous() for key, value in tensors.items()}, file)
            checksums[file.name] = _sha256(file)
        state = {"format": FORMAT, "step": step, "sha256": checksums}
        (partial / "state.json").write_text(json.dumps(state, indent=2) + "\n", encoding="utf-8")
        if final.exists():
            shutil.rmtree(final)
        partial.rename(final)
    except SafetensorError as error:
        raise OSError(f"the checkpoint {final} could not be written: {error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return final


def checkpoint_steps(folder: Path) -> list[int]:
    """The steps that have a checkpoint in `folder`, in ascending order."""
    if not folder.is_dir():
        return []
    names = (entry.name for entry in folder.iterdir() if entry.is_dir())
    return sorted(int(name[5:]) for name in names if name.startswith("step-") and name[5:].isdigit())


def find_checkpoint(folder: Path, step: int | None = None) -> Path:
    """The checkpoint of `step`, or the newest. UsageError where there is none."""
    steps = checkpoint_steps(folder)
    if not steps:
        raise UsageError(
            f"There is no checkpoint in {folder}: the run was stopped before it saved one; train it again."
        )
    if step is not None and step not in steps:
        raise UsageError(f"There is no checkpoint of step {step} in {folder}; there are {', '.join(map(str, steps))}.")
    return folder / f"step-{steps[-1] if step is None else step:07d}"


def read_checkpoint(path: Path, groups: tuple[str, ...]) -> Checkpoint:
    """Reads the named groups, on the CPU, checking every file against its checksum.

    Raises GantoolError, in one sentence, where the checkpoint is damaged.
    """
    try:
        state = json.loads((path / "state.json").read_text(encoding="utf-8"))
        step, checksums, version = int(state["step"]), dict(state["sha256"]), state["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(path, f"state.json cannot be read ({error})") from error
    if version != FORMAT:
        raise GantoolError(f"The checkpoint {path} has format {version}, and this version of gantool reads {FORMAT}.")
    return Checkpoint(path, step, {name: _read_group(path, name, checksums) for name in groups})


def _read_group(path: Path, name: str, checksums: dict[str, str]) -> dict[str, torch.Tensor]:
    file = path / f"{name}.safetensors"
    try:
        if _sha256(file) != checksums.get(file.name):
            raise _damaged(path, f"{file.name} does not match its checksum")
        return load_file(file)
    except (OSError, SafetensorError) as error:
        raise _damaged(path, f"{file.name} cannot be read ({error})") from error


def _damaged(path: Path, why: str) -> GantoolError:
    return GantoolError(
        f"The checkpoint {path} is damaged: {why}; delete that folder to go on from the checkpoint before it."
    )


def clear_partial_checkpoints(folder: Path) -> None:
    """Deletes what a process that was killed while saving has left behind."""
    for partial in folder.glob(".step-*.part"):
        shutil.rmtree(partial)


def drop_checkpoints_after(folder: Path, step: int) -> None:
    """Deletes the checkpoints of later steps: a run that goes on from `step` makes them again."""
    for later in checkpoint_steps(folder):
        if later > step:
            shutil.rmtree(folder / f"step-{later:07d}")


def prune_checkpoints(folder: Path, keep: int) -> None:
    """Deletes all but the newest `keep` checkpoints; 0 keeps them all."""
    for step in checkpoint_steps(folder)[:-keep] if keep else []:
        shutil.rmtree(folder / f"step-{step:07d}")


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
