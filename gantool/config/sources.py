"""From TOML to a checked configuration: presets, the user's own file, and `--set a.b=c`.

Four sources, each over the one before: a preset, a file given with `--config`, the `--set` items, the command's own
options. Standard library only.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from importlib import resources
from pathlib import Path
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from gantool.config.layers import LAYER_KINDS, LayerConfig
from gantool.config.optimizer import PLAYERS, OptimizerConfig, PlayerOptimizer
from gantool.config.schema import RunConfig
from gantool.config.spellings import current, move_old_spellings
from gantool.errors import UsageError
from gantool.files import expanded

Tree = dict[str, Any]
Section = TypeVar("Section")


def preset_names() -> list[str]:
    """The presets that ship with the tool, in alphabetical order."""
    folder = resources.files("gantool.config") / "presets"
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def preset_text(name: str) -> str:
    """The TOML text of a preset, comments included. UsageError, with the nearest name, where there is none."""
    if name not in preset_names():
        raise UsageError(f"There is no preset {name!r}{_nearest(name, preset_names())}; see `gantool config list`.")
    return (resources.files("gantool.config") / "presets" / f"{name}.toml").read_text(encoding="utf-8")


def read_tree(text: str, source: str) -> Tree:
    """TOML text → nested dictionaries. `source` names the text in the error."""
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{source} is not valid TOML: {error}.") from error
    move_old_spellings(tree)
    return tree


def read_config_file(path: Path) -> Tree:
    """Reads the user's TOML file into nested dictionaries."""
    try:
        text = path.read_text(encoding="utf-8-sig")  # some editors put a mark before the text
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UsageError(f"The configuration file {path} cannot be read: {reason}.") from error
    return read_tree(text, str(path))


def is_whole(tree: Tree) -> bool:
    """Whether a tree says all that a run must say, as `gantool config show` prints it, and needs no preset below it."""
    return all(name in tree for name in _required(RunConfig))


def preset_of(tree: Tree) -> str:
    """The preset that a file's changes are laid over: the one that is called as its data set, else the digits."""
    data = tree.get("data")
    name = data.get("name") if isinstance(data, dict) else None
    return name if name in preset_names() else "digits"


def make_paths_absolute(tree: Tree) -> None:
    """A run is resumed and scored from any folder: the place of its data must not depend on where it was started."""
    data = tree.get("data")
    if isinstance(data, dict) and isinstance(path := data.get("path"), str) and path:
        data["path"] = str(expanded(path).absolute())


def merge(tree: Tree, over: Tree) -> None:
    """Lays `over` on `tree`, in place: tables are merged, anything else (lists too) is replaced."""
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(tree.get(key), dict):
            merge(tree[key], value)
        else:
            tree[key] = value


def apply_settings(tree: Tree, settings: Iterable[str]) -> None:
    """Applies `a.b=value` items in place. A value is read as TOML; a bare word is a string; a list index is a
    number."""
    for item in settings:
        key, equals, text = item.partition("=")
        if not equals or not key.strip():
            raise UsageError(f"--set takes KEY=VALUE, for example training.k=2, but got {item!r}.")
        set_value(tree, key.strip(), _value(text.strip()))


def set_value(tree: Tree, key: str, value: Any) -> None:
    """Sets the dotted `key`, creating sections on the way; list items are named by their index."""
    key, value = current(key, value)
    *parents, last = key.split(".")
    node: Any = tree
    for part in parents:
        node = node.setdefault(part, {}) if isinstance(node, dict) else _item(node, part, key)
    if isinstance(node, dict):
        node[last] = value
    else:
        _item(node, last, key)
        node[int(last)] = value


def _item(node: Any, part: str, key: str) -> Any:
    if not isinstance(node, list):
        raise UsageError(f"{key} leads nowhere: there is nothing to set below a plain value at {part!r}.")
    if not part.isdigit() or int(part) >= len(node):
        raise UsageError(f"{key}: {part!r} must be a list index from 0 to {len(node) - 1}.")
    return node[int(part)]


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def build_config(tree: Tree) -> RunConfig:
    """Nested dictionaries → a checked RunConfig. Unknown keys and wrong types are UsageErrors that name the key."""
    move_old_spellings(tree)
    return _build(RunConfig, tree, "")


def _build(kind: type[Section], tree: Any, prefix: str) -> Section:
    if not isinstance(tree, dict):
        raise UsageError(f"{prefix.rstrip('.') or 'The configuration'} must be a table, but is {tree!r}.")
    whose = ""
    if kind is LayerConfig:
        kind, tree = _layer_kind(tree, prefix), _without_old_fields(tree)  # type: ignore[assignment]
        whose = f": a layer of the kind {tree['kind']} has no such field"
    hints = get_type_hints(kind)
    names = [f.name for f in fields(kind)]  # type: ignore[arg-type]
    for key in tree:
        if key not in names:
            raise UsageError(f"Unknown configuration key {prefix}{key}{whose}{_nearest(key, names)}.")
    values = {key: _convert(hints[key], value, f"{prefix}{key}") for key, value in tree.items()}
    for name in _required(kind):
        if name not in values:
            raise UsageError(f"The configuration lacks {prefix}{name}.")
    if kind is OptimizerConfig:
        for player in PLAYERS:  # only what is otherwise for that player is kept
            given = _build(PlayerOptimizer, values.get(player, {}), f"{prefix}{player}.")
            values[player] = {key: getattr(given, key) for key in values.get(player, {})}
    return kind(**values)


def _layer_kind(tree: Tree, prefix: str) -> type[LayerConfig]:
    if "kind" not in tree:
        raise UsageError(f"The configuration lacks {prefix}kind.")
    kind = tree["kind"]
    if kind not in LAYER_KINDS:
        raise UsageError(f"{prefix}kind must be one of {', '.join(LAYER_KINDS)}, but is {kind!r}.")
    return LAYER_KINDS[kind]


def _without_old_fields(tree: Tree) -> Tree:
    """A layer's table as it would be written now: config.json formerly held `pieces` for every kind."""
    old = tree.get("pieces") == 1 and tree["kind"] != "maxout"
    return {key: value for key, value in tree.items() if not (old and key == "pieces")}


def _required(kind: type[Any]) -> list[str]:
    """The fields of a dataclass that have no default."""
    return [each.name for each in fields(kind) if each.default is each.default_factory]


def _convert(hint: Any, value: Any, key: str) -> Any:
    if get_origin(hint) in (Union, UnionType) and (lists := [o for o in get_args(hint) if get_origin(o) is tuple]):
        return None if value is None else _convert(lists[0], value, key)  # a list, or unset
    if is_dataclass(hint) or hint is LayerConfig:
        return _build(hint, value, f"{key}.")  # type: ignore[arg-type]
    if get_origin(hint) is tuple:
        if not isinstance(value, (list, tuple)):
            raise UsageError(f"{key} must be a list, but is {value!r}.")
        return tuple(_convert(get_args(hint)[0], item, f"{key}.{index}") for index, item in enumerate(value))
    if get_origin(hint) is dict:
        if not isinstance(value, dict):
            raise UsageError(f"{key} must be a table, but is {value!r}.")
        return value
    options = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    if not any(_matches(option, value) for option in options):
        raise UsageError(f"{key} must be {' or '.join(map(_words, options))}, but is {value!r}.")
    return float(value) if float in options and isinstance(value, int) else value


def _matches(hint: Any, value: Any) -> bool:
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    if hint is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, hint)


def _words(hint: Any) -> str:
    if get_origin(hint) is Literal:
        choices = get_args(hint)
        return choices[0] if len(choices) == 1 else "one of " + ", ".join(choices)
    return {int: "a whole number", float: "a number", str: "text", type(None): "unset", bool: "true or false"}[hint]


def _nearest(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
