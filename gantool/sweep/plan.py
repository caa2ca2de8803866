"""What a sweep trains: points, each a configuration at several seeds."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gantool.config import RunConfig
from gantool.config.sources import apply_settings, build_config, preset_text, read_tree
from gantool.errors import UsageError


@dataclass(frozen=True)
class Point:
    """A row of the table: its name, and one configuration, whose seed is not used; at `most_seeds`, where given."""

    label: str
    config: RunConfig
    settings: tuple[str, ...] = ()
    group: str = ""
    most_seeds: int | None = None


@dataclass(frozen=True)
class Sweep:
    """Every point at the seeds 0 … `seeds` − 1, in `folder`."""

    points: tuple[Point, ...]
    folder: Path
    seeds: int = 3

    def __post_init__(self) -> None:
        if self.seeds < 1:
            raise UsageError(f"--seeds must be a whole number, 1 or more, but is {self.seeds}.")
        if not self.points:
            raise UsageError("There is nothing to sweep: give --vary KEY=A,B once or more.")

    def configs(self, point: Point) -> list[RunConfig]:
        """The point's configuration at each seed, which also draws the rows of `data.rows`."""
        training, data = point.config.training, point.config.data

        def at(seed: int) -> RunConfig:
            own = data if data.rows is None else replace(data, rows_seed=seed)
            return replace(point.config, training=replace(training, seed=seed), data=own)

        return [at(seed) for seed in range(min(self.seeds, point.most_seeds or self.seeds))]


def point_of(preset: str, settings: Sequence[str], label: str, group: str = "", most_seeds: int | None = None) -> Point:
    """A preset with `--set` items. UsageError where there is no such preset or an item does not fit."""
    tree = read_tree(preset_text(preset), f"the preset {preset}")
    apply_settings(tree, settings)
    return Point(label, build_config(tree), tuple(settings), group, most_seeds)


def grid(tree: dict[str, Any], vary: Sequence[str]) -> tuple[Point, ...]:
    """A point for each combination of the values in `vary`, items as KEY=A,B,… with values as after --set.

    Raises UsageError where an item is no such thing, a key comes twice, or a combination is no configuration.
    """
    axes = [_axis(item) for item in vary]
    keys = [key for key, _ in axes]
    if twice := next((key for key in keys if keys.count(key) > 1), None):
        raise UsageError(f"--vary {twice} is given twice: name all its values in one.")
    points = []
    for values in itertools.product(*(values for _, values in axes)):
        settings = tuple(f"{key}={value}" for key, value in zip(keys, values, strict=True))
        own = copy.deepcopy(tree)
        apply_settings(own, settings)
        points.append(Point(", ".join(settings), build_config(own), settings))
    return tuple(points)


def _axis(item: str) -> tuple[str, list[str]]:
    key, equals, text = item.partition("=")
    values = [value.strip() for value in _split(text)]
    if not equals or not key.strip() or not all(values):
        raise UsageError(f"--vary takes KEY=A,B,…, for example training.k=1,2,5, but got {item!r}.")
    return key.strip(), values


def _split(text: str) -> list[str]:
    """At the commas that stand outside brackets and quotes."""
    parts, depth, quote = [""], 0, ""
    for letter in text:
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'":
            quote = letter
        else:
            depth += (letter in "[{") - (letter in "]}")
        if letter == "," and depth == 0 and not quote:
            parts.append("")
        else:
            parts[-1] += letter
    return parts
