"""No command, option, help text or key of --json that interface.json lists is lost or changed unless MEANT says so.

What is new needs no line. interface.json is the interface before the redesign of the layout; see interface.py.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from interface import COMMANDS, FILE, keys, texts

BEFORE: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))

# What differs, and why: "gantool train --step" or "gantool train" (its own text) or "<command> --json <key>".
_MOVED = {
    "training.objective": "it is objective.name; the old key may still be set and read",
    "training.blend": "it is objective.blend, two weights; the old key may still be set and read",
    "training.step": "it is training.engine; the old key may still be set and read",
    "generator.layers[].pieces": "a layer has the fields of its kind alone",
}
MEANT: dict[str, str] = {
    "gantool bench parzen": "more bandwidths, samples like a generator's, and the dense pass by itself",
    "gantool train": "an example with --preset",
    "gantool train --objective": "there are more of them",
    "gantool reproduce": "there are figures, too",
    "gantool sample": "an example with --class",
    "gantool train --dataset": "a data set, or a folder; --preset names the networks",
} | {
    f"{command}{key}": why
    for command in ("config show digits --json ", "train --dry-run --json config.")
    for key, why in _MOVED.items()
}


@pytest.fixture(scope="module")
def now() -> dict[str, Any]:
    return texts()


@pytest.mark.parametrize("command", BEFORE["texts"])
def test_commands_keep_their_texts_and_options(command: str, now: dict[str, Any]) -> None:
    assert command in now, f"{command} is gone"
    before, after = BEFORE["texts"][command], now[command]
    options = {_name(option): option for option in after["options"]}
    differing = {f"{command} {_name(option)}" for option in before["options"] if options.get(_name(option)) != option}
    differing |= {command} if before["help"] != after["help"] else set()
    options_of = {name for name in MEANT if name.startswith(f"{command} -") and " --json " not in name}
    assert differing == options_of | ({command} & MEANT.keys())


def test_json_keeps_its_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = keys(tmp_path)
    lost = {
        f"{command} --json {key}" for command in COMMANDS for key in set(BEFORE["keys"][command]) - {*found[command]}
    }
    assert lost == {name for name in MEANT if " --json " in name}


def _name(option: dict[str, Any]) -> str:
    return str(option["names"][0])
