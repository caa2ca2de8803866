"""In-painting: masks, what is kept and filled in, and scores against brute force."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from training.watching import make_config, silent

from gantool.config.masks import MaskConfig, parse_mask
from gantool.data import Dataset
from gantool.data.formats.numeric_csv import NumericTable, read_csv, write_csv
from gantool.data.masks import draw_known
from gantool.errors import UsageError
from gantool.evaluation.inpainting.rivals import mean_fill, neighbour_draws
from gantool.evaluation.inpainting.score import filling
from gantool.imputation import TableSettings, fill_table
from gantool.sampling import complete
from gantool.training.session import start_run

CPU = torch.device("cpu")
IMAGES = (3, 8, 6)


def drawn(text: str, count: int = 400, shape: tuple[int, ...] = IMAGES) -> torch.Tensor:
    return ~draw_known(parse_mask(text), count, shape, torch.Generator().manual_seed(1)).view(count, *shape)


def test_halves_are_halves() -> None:
    for side, corner in (("left", [0, 0]), ("right", [0, 5]), ("top", [0, 0]), ("bottom", [7, 0])):
        missing = drawn(f"half:{side}", 2)
        assert missing.double().mean() == 0.5
        assert missing[:, :, corner[0], corner[1]].all()
    odd = drawn("half:right", 1, (1, 1, 5))
    assert odd.flatten().tolist() == [False, False, False, True, True]


def test_boxes_are_squares_that_lie_everywhere() -> None:
    missing = drawn("box:3")
    assert (missing.sum(dim=(1, 2, 3)) == 27).all()
    places = set()
    for image in missing[:, 0]:
        rows, columns = image.any(dim=1).nonzero().flatten(), image.any(dim=0).nonzero().flatten()
        assert len(rows) == len(columns) == 3
        assert image.sum() == 9
        places.add((int(rows[0]), int(columns[0])))
    assert places == set(product(range(6), range(4)))


def test_random_masks_have_their_share_and_hide_a_pixel_whole() -> None:
    missing = drawn("random:0.3")
    share = missing[:, 0].double().mean().item()
    assert abs(share - 0.3) < 5 * (0.21 / missing[:, 0].numel()) ** 0.5
    assert torch.equal(missing[:, 0], missing[:, 2])


def test_any_mask_is_each_kind_in_turn() -> None:
    missing = drawn("any", 2_000)[:, 0].flatten(1).sum(dim=1)
    assert 0.2 < (missing == 48).double().mean() < 0.35  # all of a quarter of the rows, and now and then more
    assert (missing == 24).double().mean() > 0.2
    flat = drawn("any", 2_000, (10,)).sum(dim=1)
    assert 0.45 < (flat == 10).double().mean() < 0.65


@pytest.mark.parametrize("text", ["half:up", "box:0", "box:x", "random:2", "hole", "random:-1", "half", "box"])
def test_masks_are_read_or_refused(text: str) -> None:
    if text in ("half", "box"):
        assert parse_mask(text).kind == text
    else:
        with pytest.raises(UsageError, match="--mask"):
            parse_mask(text)


def test_a_mask_that_does_not_fit_is_refused() -> None:
    rng = torch.Generator()
    with pytest.raises(UsageError, match="6 or less"):
        draw_known(MaskConfig("box", size=7), 1, IMAGES, rng)
    with pytest.raises(UsageError, match="no images"):
        draw_known(MaskConfig("half"), 1, (10,), rng)


def test_what_is_known_stays_and_the_rest_is_drawn(digits: Dataset, tmp_path: Path) -> None:
    config = make_config("digits-inpainting", "alternating", 30, watch_every=0)
    run = start_run(config, digits, CPU, tmp_path, silent).run
    rows = digits.values(digits.test.stored[:20])
    known = draw_known(MaskConfig("any"), 20, digits.shape, torch.Generator().manual_seed(0))
    generator = run.load_generator()
    draws = complete(generator, config.noise, rows, known, 3, seed=0, device=CPU)
    for draw in draws:
        assert torch.equal(draw[known], rows[known])
        assert not torch.equal(draw[~known], rows[~known])
    assert not torch.equal(draws[0], draws[1])
    hidden = rows.masked_fill(~known, torch.nan)
    assert torch.equal(complete(generator, config.noise, hidden, known, 3, seed=0, device=CPU), draws)
    with pytest.raises(UsageError, match="do not fit"):
        complete(generator, config.noise, rows[:, :-1], known[:, :-1], 2, seed=0, device=CPU)


def test_scores_are_those_of_brute_force() -> None:
    rng = torch.Generator().manual_seed(3)
    rows, draws = torch.rand(7, 5, generator=rng), torch.rand(4, 7, 5, generator=rng)
    missing = torch.rand(7, 5, generator=rng) < 0.6
    found = filling("", draws, rows, missing)
    squares, ones, energies, total = [], [], [], 0
    for n in range(7):
        hole = missing[n].numpy()
        total += hole.sum()
        x, tries = rows[n].numpy()[hole].astype(float), draws[:, n].numpy().astype(float)[:, hole]
        squares.append(((tries.mean(axis=0) - x) ** 2).sum())
        ones.append(np.mean([((t - x) ** 2).sum() for t in tries]))
        pairs = [np.linalg.norm(a - b) for i, a in enumerate(tries) for j, b in enumerate(tries) if i != j]
        energies.append(np.mean([np.linalg.norm(t - x) for t in tries]) - 0.5 * np.mean(pairs))
    assert found.rmse == pytest.approx((sum(squares) / total) ** 0.5, rel=1e-12)
    assert found.rmse_of_one == pytest.approx((sum(ones) / total) ** 0.5, rel=1e-12)
    assert found.energy_score == pytest.approx(np.mean(energies), rel=1e-12)
    assert found.energy_error == pytest.approx(np.std(energies, ddof=1) / 7**0.5, rel=1e-12)


def test_the_error_of_an_rmse_is_its_spread_over_samples_of_rows() -> None:
    rng = torch.Generator().manual_seed(4)
    rows = torch.rand(200 * 400, 6, generator=rng)
    draws, missing = rows + torch.randn(rows.shape, generator=rng) * torch.rand(len(rows), 1, generator=rng), None
    missing = torch.rand(rows.shape, generator=rng) < torch.rand(len(rows), 1, generator=rng)
    found = [
        filling("", draws[i : i + 400][None], rows[i : i + 400], missing[i : i + 400]) for i in range(0, len(rows), 400)
    ]
    spread = float(np.std([each.rmse for each in found], ddof=1))
    assert np.mean([each.rmse_error for each in found]) == pytest.approx(spread, rel=0.2)


def test_neighbours_are_nearest_by_what_is_known() -> None:
    rng = torch.Generator().manual_seed(5)
    train, rows = torch.rand(60, 9, generator=rng), torch.rand(8, 9, generator=rng)
    known = torch.rand(8, 9, generator=rng) < 0.5
    found = neighbour_draws(rows, known, train, 4)
    for n in range(8):
        distances = ((rows[n] - train).double() ** 2)[:, known[n]].sum(dim=1)
        for place, index in enumerate(distances.argsort()[:4]):
            assert torch.equal(found[place, n], torch.where(known[n], rows[n], train[index]))
    filled = mean_fill(rows, known, train)
    torch.testing.assert_close(filled[~known], train.mean(dim=0).expand(8, -1)[~known])


def correlated(rows: int, holes: float) -> NumericTable:
    """Five columns of one hidden number, in units of their own, with values missing."""
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(rows, 1))
    values = (hidden * [1.0, -2.0, 30.0, 0.5, 4.0] + rng.normal(size=(rows, 5)) * [0.1, 0.2, 3.0, 0.05, 0.4]) + 100.0
    values[rng.random(values.shape) < holes] = np.nan
    return NumericTable(Path("table.csv"), values, ("a", "b", "c", "d", "e"))


def test_a_table_is_filled_in_better_than_by_its_mean(tmp_path: Path) -> None:
    table = correlated(300, 0.1)
    settings = TableSettings(draws=5, steps=600)
    result, filled = fill_table(table, settings, tmp_path, CPU)
    known = ~np.isnan(table.values)
    assert result.missing == (~known).sum()
    assert (result.train_rows, result.test_rows) == (240, 60)
    assert filled.shape == (5, 300, 5)
    assert np.isfinite(filled).all()
    assert (filled[:, known] == table.values[known]).all()
    by_name = {each.name: each.rmse for each in result.fillings}
    assert by_name["this model"] < 0.7 * by_name["the training mean"]
    assert by_name["iterative imputer"] < 0.7 * by_name["the training mean"]


def test_tables_are_read_as_written(tmp_path: Path) -> None:
    table = correlated(30, 0.2)
    write_csv(tmp_path / "t.csv", table, table.values)
    again = read_csv(tmp_path / "t.csv")
    assert again.names == table.names
    np.testing.assert_array_equal(again.values, table.values)
    (tmp_path / "odd.csv").write_text("1, 2.5,?\n\n,NA,-3e2\n", encoding="utf-8")
    np.testing.assert_array_equal(read_csv(tmp_path / "odd.csv").values, [[1, 2.5, np.nan], [np.nan, np.nan, -300]])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a,b\n1,x\n", "line 2, column b: 'x'"),
        ("1,2\n3\n", "line 2: 1 cells"),
        ("a,b\n", "no row"),
        ("1,inf\n", "not a finite number"),
        ("", "no row"),
    ],
)
def test_a_table_that_is_none_is_refused(text: str, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=sentence):
        read_csv(tmp_path / "t.csv")


def test_a_table_that_is_too_small_or_has_an_empty_column_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="needs 20 rows"):
        fill_table(correlated(19, 0.0), TableSettings(), tmp_path, CPU)
    table = correlated(40, 0.0)
    table.values[:, 2] = np.nan
    with pytest.raises(UsageError, match="column c has no value"):
        fill_table(table, TableSettings(), tmp_path, CPU)
    assert not list(tmp_path.iterdir())
