"""What a sweep trains."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gantool.config.sources import preset_text, read_tree
from gantool.errors import UsageError
from gantool.reproduce.toys import PUBLISHED, STEPS, published_protocol, toys
from gantool.sweep.plan import Sweep, grid


def tree() -> dict[str, object]:
    return read_tree(preset_text("digits"), "digits")


def test_every_combination_is_a_point() -> None:
    points = grid(tree(), ["training.k=1,2", "objective.name=minimax,hinge,kl"])
    found = [(point.config.training.k, point.config.objective.name) for point in points]
    assert found == [(k, name) for k in (1, 2) for name in ("minimax", "hinge", "kl")]
    assert points[1].label == "training.k=1, objective.name=hinge"


def test_commas_inside_brackets_and_quotes_do_not_part_values() -> None:
    points = grid(tree(), ["training.k_schedule=[],[{ until = 2, k = 9 }, { every = 5, k = 3 }]", 'name="a","b"'])
    assert [len(point.config.training.k_schedule) for point in points] == [0, 0, 2, 2]
    assert [point.config.name for point in points] == ["a", "b", "a", "b"]


@pytest.mark.parametrize(
    ("vary", "sentence"),
    [
        (["training.k"], "--vary takes KEY=A,B"),
        (["training.k=1,,2"], "--vary takes KEY=A,B"),
        (["training.k=1", "training.k=2"], "--vary training.k is given twice"),
        (["training.kk=1"], "Unknown configuration key training.kk; did you mean 'k'?"),
        (["training.k=1,0"], "training.k must be a whole number, 1 or more, but is 0"),
    ],
)
def test_what_is_no_grid_is_refused(vary: list[str], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence.replace("?", r"\?")):
        grid(tree(), vary)


def test_seeds_differ_and_nothing_else_does() -> None:
    (point,) = grid(tree(), ["training.k=2"])
    configs = Sweep((point,), Path("x"), seeds=3).configs(point)
    assert [config.training.seed for config in configs] == [0, 1, 2]
    assert all(replace(config, training=replace(config.training, seed=0)) == configs[0] for config in configs)


def test_few_rows_are_drawn_by_the_seed_and_a_point_may_have_fewer_seeds() -> None:
    (point,) = grid(tree(), ["data.rows=50"])
    assert [config.data.rows_seed for config in Sweep((point,), Path("x"), seeds=3).configs(point)] == [0, 1, 2]
    once = replace(point, most_seeds=1)
    assert len(Sweep((once,), Path("x"), seeds=3).configs(once)) == 1


def test_a_sweep_of_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="nothing to sweep"):
        Sweep((), Path("x"))


def test_the_toys_have_every_row_once_under_one_protocol() -> None:
    plan = toys(Path("x"), 3)
    rows = [(point.group, point.label) for point in plan.points]
    assert len(set(rows)) == len(rows) == 46
    for point in plan.points:
        training = point.config.training
        assert (training.steps, training.k, training.batch_size) == (STEPS, 1, 256)
    by_label = {point.label: point.config for point in plan.points if point.group == "grid of 25"}
    assert by_label["extragradient"].training.play == "extragradient"
    assert by_label["pack of 4"].training.pack == 4
    assert by_label["wasserstein, clip 0.01"].objective.penalty.limit == 0.01
    assert {line.group for line in PUBLISHED} == {point.group for point in plan.points}


def test_the_published_protocol_is_pacgans() -> None:
    for point in published_protocol(Path("x"), 1).points:
        training, adam = point.config.training, point.config.optimizer
        assert training.total_steps(100_000) == 400_000
        assert (training.order, training.batch_size, adam.learning_rate, adam.beta1) == ("simultaneous", 100, 1e-4, 0.8)
