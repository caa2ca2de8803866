"""Where configurations differ."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gantool.config.schema import RunConfig


def flatten(tree: Any, prefix: str = "") -> dict[str, Any]:
    """Nested dictionaries and lists → {"training.k": 1, "generator.layers.0.kind": "relu", …}, named as by `--set`."""
    if not isinstance(tree, (dict, list, tuple)):
        return {prefix: tree}
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    flat: dict[str, Any] = {}
    for name, value in items:
        flat |= flatten(value, f"{prefix}.{name}" if prefix else str(name))
    return flat


def config_differences(first: RunConfig, second: RunConfig) -> dict[str, tuple[Any, Any]]:
    """{dotted key: (value, value)} of every field that differs, apart from seed, name and description."""
    flat = [flatten(_without_seed(config).to_dict()) for config in (first, second)]
    keys = [*flat[0], *(key for key in flat[1] if key not in flat[0])]
    pairs = {key: (flat[0].get(key, "nothing"), flat[1].get(key, "nothing")) for key in keys}
    return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}


def _without_seed(config: RunConfig) -> RunConfig:
    return replace(config, name="run", about="", training=replace(config.training, seed=0))
