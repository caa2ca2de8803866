"""Rows that play two roles: samples, rows scored, rows that choose sigma, training rows. Each should be a set apart."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np
import torch

from gantool.numerics.rows import row_keys

# Real sets share a few rows, such as blank images. More than this share of the smaller one, counted without
# repetitions, and more than one row, is the same set in two roles.
INNOCENT_SHARE = 0.01

# What two roles in one cost, and what to do.
_COSTS = {
    frozenset(("samples", "rows scored")): "the score is that of a known answer; give samples made without these rows",
    frozenset(("samples", "rows that choose sigma")): "sigma suits the copies alone; give validation rows of their own",
    frozenset(("samples", "training rows")): "the samples repeat what they were trained on",
    frozenset(
        ("rows scored", "training rows")
    ): "memorisation cannot be told by them, and what training rows get is no "
    "reference; give rows to score that were held out from training",
    frozenset(
        ("rows that choose sigma", "training rows")
    ): "sigma is chosen wrongly for the references, which are made of training rows; give validation rows of their own",
}


def shared_roles(roles: Mapping[str, torch.Tensor | None]) -> list[str]:
    """A sentence for each pair of roles whose sets of rows [N, D] share more than innocent rows.

    Rows are compared as float32, after scaling, whatever their order. Where a set repeats itself in more than half of
    its rows (few grey levels in few pixels, say), equal rows mean nothing, and its pairs are left out.
    """
    telling = {name: rows.float() for name, rows in roles.items() if rows is not None and not repeats_itself(rows)}
    distinct = {name: np.unique(row_keys(rows)) for name, rows in telling.items()}
    said = []
    for (first, keys), (second, others) in combinations(distinct.items(), 2):
        cost = _COSTS.get(frozenset((first, second)))
        shared = len(np.intersect1d(keys, others, assume_unique=True))
        least = min(len(keys), len(others))
        # No honest sample equals a row that it never saw.
        innocent = 0 if {first, second} == {"samples", "rows scored"} else max(1, int(INNOCENT_SHARE * least))
        if cost and shared > innocent:
            said.append(f"{shared:,} of the {least:,} different {first} are {second}, too: {cost}.")
    return said


def repeats_itself(rows: torch.Tensor) -> bool:
    """Whether most rows [N, D] repeat others: equal rows in two sets then mean nothing."""
    return 2 * len(np.unique(row_keys(rows.float()))) <= len(rows)
