"""The same rows in two roles are named; what shares a few blank rows, or repeats itself by nature, is left alone."""

from __future__ import annotations

from itertools import combinations

import pytest
import torch
from torch import Tensor

from gantool.evaluation.parzen.score import ParzenSettings, evaluate
from gantool.evaluation.parzen.target import Target
from gantool.evaluation.roles import shared_roles

ROLES = ("samples", "rows scored", "rows that choose sigma", "training rows")
PAIRS = [pair for pair in combinations(ROLES, 2) if set(pair) != {"rows scored", "rows that choose sigma"}]


def rows(count: int, seed: int, dimension: int = 6) -> Tensor:
    return torch.rand(count, dimension, generator=torch.Generator().manual_seed(seed))


def four_sets() -> dict[str, Tensor | None]:
    return {name: rows(60, seed) for seed, name in enumerate(ROLES)}


def test_sets_apart_are_in_order() -> None:
    assert shared_roles(four_sets()) == []


@pytest.mark.parametrize("pair", PAIRS, ids=" and ".join)
def test_each_pair_is_seen_in_any_order_and_type(pair: tuple[str, str]) -> None:
    roles = four_sets()
    given = roles[pair[0]]
    assert given is not None
    roles[pair[1]] = given.flip(0).double()
    (sentence,) = shared_roles(roles)
    assert sentence.startswith(f"60 of the 60 different {pair[0]} are {pair[1]}, too: ")


def test_one_scored_row_among_the_samples_is_enough_and_one_blank_training_row_is_not() -> None:
    roles = four_sets()
    samples, scored, train = roles["samples"], roles["rows scored"], roles["training rows"]
    assert samples is not None
    assert scored is not None
    assert train is not None
    train[:5] = scored[:5] = 0.0  # one blank row, five times on either side
    assert shared_roles(roles) == []
    samples[7] = scored[30]
    (sentence,) = shared_roles(roles)
    assert sentence.startswith("1 of the 56 different samples are rows scored")


def test_rows_that_repeat_by_nature_say_nothing() -> None:
    coarse = {name: (rows(400, seed, 3) > 0.5).float() for seed, name in enumerate(ROLES)}
    assert shared_roles(coarse) == []


def test_a_score_on_the_samples_themselves_is_named_twice() -> None:
    """Test rows given as the samples: by the rows, and by the gap that no generator can have."""
    scored = rows(100, 1)
    target = Target("data", "data", scored, rows(100, 2), None, "as given", train=rows(300, 3))
    warnings = " ".join(evaluate(scored + 0.0, target, ParzenSettings(references=False)).warnings)
    assert "100 of the 100 different samples are rows scored, too" in warnings
    assert "nats above training rows, more than chance explains" in warnings
