"""How many steps the discriminator takes in each iteration."""

from __future__ import annotations

import pytest

from gantool.config import DiscriminatorSteps, StepsRule, TrainingConfig
from gantool.errors import UsageError

# The Wasserstein GAN's: 100 steps in the first 25 iterations and in every 500th, else 5.
RULES = (StepsRule(100, until=25), StepsRule(100, every=500))


def test_the_schedule_of_the_wasserstein_gan() -> None:
    steps = DiscriminatorSteps(5, RULES)
    counts = [100 if now < 25 or now % 500 == 0 else 5 for now in range(1200)]
    assert [steps.at(now) for now in range(1200)] == counts
    before = 0
    for now, count in enumerate(counts):
        assert steps.batches(now) == range(before, before + count)
        before += count
    assert steps.most == 100


@pytest.mark.parametrize("rules", [(), RULES, (StepsRule(2, every=3), StepsRule(7, until=10))])
@pytest.mark.parametrize("wanted", [1, 99, 100, 101, 2500, 2501, 9000])
def test_the_fewest_iterations_that_have_so_many_steps(rules: tuple[StepsRule, ...], wanted: int) -> None:
    steps = DiscriminatorSteps(5, rules)
    found = steps.iterations(wanted)
    assert steps.before(found) >= wanted > steps.before(found - 1)


def test_an_epoch_counts_the_discriminators_batches() -> None:
    training = TrainingConfig(k=5, k_schedule=RULES, batch_size=10, epochs=2)
    assert training.total_steps(12_500) == 25  # 2 epochs of 1,250 batches are the first 25 iterations


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        ({"k": 0, "until": 5}, "k_schedule.k must be a whole number, 1 or more"),
        ({"k": 2}, "rules with until or with every"),
        ({"k": 2, "until": 5, "every": 5}, "rules with until or with every"),
        ({"k": 2, "every": 0}, "k_schedule.every must be a whole number, 1 or more, but is 0"),
        ({"k": 2, "until": 0}, "k_schedule.until must be a whole number, 1 or more, but is 0"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(rule: dict[str, int], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        StepsRule(**rule)


@pytest.mark.parametrize("order", ["generator-first"])
def test_an_order_of_one_step_has_no_schedule(order: str) -> None:
    with pytest.raises(UsageError, match=r"training.k_schedule must be unset when training.order = generator-first"):
        TrainingConfig(order=order, k_schedule=RULES)  # type: ignore[arg-type]
