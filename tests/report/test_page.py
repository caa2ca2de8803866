"""The page holds what the records hold, names what is missing, and needs nothing else."""

from __future__ import annotations

import shlex
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from report.conftest import METRICS, MakeRun, parzen_record
from report.document import Document
from typer.testing import CliRunner

from gantool.cli.app import app
from gantool.config import TrainingConfig
from gantool.errors import UsageError
from gantool.report.comparison import configuration_differences, flatten
from gantool.report.material import collect
from gantool.report.page import write_report
from gantool.runs import Run
from gantool.runs.checkpoint import save_checkpoint


def read(runs: list[Run], out: Path) -> tuple[Document, dict[str, Any]]:
    answer = write_report(runs, out)
    return Document(out), answer


def row(document: Document, table: str, name: str) -> list[str]:
    (rows,) = [rows for label, rows in document.tables.items() if label.startswith(table)]
    (found,) = [cells for cells in rows if cells[0] == name]
    return found[1:]


def test_scores_stand_in_the_table_with_what_they_depend_on(full_page: tuple[Path, dict[str, Any]]) -> None:
    document = Document(full_page[0])
    table = "Mean log-likelihood"
    assert row(document, table, "these samples") == ["−31.2", "0.9", "−0.488", "0.4", "10,000", ""]
    assert row(document, table, "these samples, σ refined")[:5] == ["−30.5", "0.9", "−0.477", "0.3456", "10,000"]
    assert row(document, table, "real training images")[3:] == ["0.2", "1,197", "not comparable: N differs"]
    assert row(document, "Uncertainties", "rows scored")[:2] == ["0.7", "−33.5 to −29.5"]
    assert row(document, "Uncertainties", "training seed")[:2] == ["–", "–"]
    assert row(document, "Train-test gap", "299 training rows") == ["−27.5", "−31.2", "3.8", "1.5"]
    assert row(document, "Score of each class", "7") == ["31", "−22.2", "2.1"]
    assert "−31.2 ± 0.9" in document.words


def test_any_other_measure_is_told_by_its_numbers(full_page: tuple[Path, dict[str, Any]]) -> None:
    document = Document(full_page[0])
    rows = document.tables["N = 1,000 samples"]
    assert ["near another sample", "43.2%", "1.0%", "–"] in rows
    assert ["modes captured", "2", "2", "–"] in rows
    assert ["duplicates: near share", "0.4321"] in rows
    assert document.tables["found"] == [["label", "share"], ["3", "0.9"]]
    assert document.tables["N = 2,000 samples"] == [
        ["quantity", "samples", "reference"],
        ["frechet", "12.62", "0.25"],
        ["num samples", "2,000", "–"],
    ]
    assert "Only comparable at equal N and with the same features." in document.words
    assert "The generator has collapsed onto few images." in document.words
    told = "Besides, the samples are told from the data: 7 of 9 bins hold another share, and digits are thinner."
    assert told in document.words


def test_alarms_and_warnings_come_before_any_score(full_page: tuple[Path, dict[str, Any]]) -> None:
    document, answer = Document(full_page[0]), full_page[1]
    order = ["Half of the samples are near-copies", "The grid <ends> here.", "−31.2 ± 0.9", "A note."]
    places = [document.words.index(words) for words in order]
    assert places == sorted(places)
    (run,) = answer["runs"]
    assert run["alarms"] == [
        "Step 130: The samples repeat themselves.",
        "Half of the samples are near-copies of one another.",
    ]
    assert run["warnings"] == ["The grid <ends> here."]
    assert run["missing"] == []


def test_the_page_is_well_formed_and_escapes_what_it_is_given(full_page: tuple[Path, dict[str, Any]]) -> None:
    document = Document(full_page[0])
    assert document.problems == []
    assert "A pair & <more>" in document.words
    assert "a <fast> one" in document.words
    assert {name for name, _ in document.tags}.isdisjoint(
        {"ends", "more", "fast", "script", "link", "iframe", "object"}
    )


def test_the_reader_of_pages_sees_a_broken_one() -> None:
    assert Document("<p><b>x</p></b>").problems
    assert Document("<div>x").problems


def test_nothing_outside_the_file_is_named(full_page: tuple[Path, dict[str, Any]]) -> None:
    document = Document(full_page[0])
    images = document.attributes("img")
    assert len(images) == 3 + 2 * 8
    assert all(
        (image["src"] or "").startswith(("data:image/png;base64,", "data:image/svg+xml;base64,")) for image in images
    )
    assert all(len(image["alt"] or "") > 30 for image in images)
    assert not any({"href", "srcset"} & set(attributes) for _, attributes in document.tags)
    (policy,) = [meta for meta in document.attributes("meta") if meta.get("http-equiv")]
    assert (policy["content"] or "").startswith("default-src 'none'")


def test_every_part_has_its_picture(full_page: tuple[Path, dict[str, Any]]) -> None:
    document = Document(full_page[0])
    titles = [
        "Score over σ",
        "Score over N",
        "Score of each class",
        "Samples",
        "Interpolations",
        "Nearest training images",
        "Losses",
    ]
    for title in [*titles, "Value of the game", "What D believes", "Validation score"]:
        assert title in document.text


def test_equal_runs_give_equal_files(full_run: Run, full_page: tuple[Path, dict[str, Any]], out: Path) -> None:
    write_report([full_run], out)
    assert out.read_bytes() == full_page[0].read_bytes()


def test_what_is_missing_is_named_with_the_command_that_makes_it(
    make_run: MakeRun, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    run = make_run()
    document, answer = read([run], out)
    commands = {part["part"]: part["command"] for part in answer["runs"][0]["missing"]}
    assert commands == {
        "Training curves": None,
        "Parzen-window log-likelihood": f"gantool eval parzen {run.path}",
        "Memorisation and diversity": f"gantool eval diversity {run.path}",
        "Feature distances": f"gantool eval features {run.path}",
    }
    for command in filter(None, commands.values()):
        assert command in document.words
        result = CliRunner().invoke(app, [*shlex.split(command)[1:], "--num-samples", "100", "--json"])
        assert result.exit_code == 0, result.stderr
    assert document.problems == []
    answer = write_report([run], out)
    assert [part["part"] for part in answer["runs"][0]["missing"]] == ["Training curves"]


def test_a_run_without_a_checkpoint_is_given_no_command(bare_run: Run, out: Path) -> None:
    document, answer = read([bare_run], out)
    missing = {part["part"]: part["command"] for part in answer["runs"][0]["missing"]}
    assert set(missing) == {
        "Training curves",
        "Parzen-window log-likelihood",
        "Memorisation and diversity",
        "Feature distances",
        "Samples, interpolations and neighbours",
    }
    assert set(missing.values()) == {None}
    assert "Make it with" not in document.words
    assert "train it again" in document.words
    assert document.problems == []


def test_a_data_set_that_is_not_here_costs_the_neighbours_only(
    make_run: MakeRun, out: Path, tmp_path: Path, mnist_root: Path
) -> None:
    run = make_run("mnist")
    answer = write_report([run], out, data_root=tmp_path)
    (part,) = [part for part in answer["runs"][0]["missing"] if part["part"] == "Nearest training images"]
    assert part["command"] == "gantool data fetch mnist"
    assert "Interpolations" in Document(out).text


def test_other_rows_than_those_of_training_are_no_neighbours(full_run: Run, out: Path) -> None:
    moved = replace(full_run, data=replace(full_run.data, fingerprint="0" * 64))
    document, answer = read([moved], out)
    (part,) = answer["runs"][0]["missing"]
    assert "was trained on other rows than those of" in part["reason"]
    assert "Interpolations" in document.text


def test_damaged_files_are_named_and_the_rest_is_shown(make_run: MakeRun, out: Path) -> None:
    run = make_run(scores=(parzen_record(),), metrics=[])
    with (run.path / "evaluations.jsonl").open("a", encoding="utf-8") as stream:
        stream.write("{torn\n")
    (run.path / "environment.json").write_text("[", encoding="utf-8")
    (weights,) = run.checkpoints.glob("step-*/generator.safetensors")
    weights.write_bytes(weights.read_bytes()[:-9])
    document, answer = read([run], out)
    reasons = {part["part"]: part["reason"] for part in answer["runs"][0]["missing"]}
    assert "1 of the lines of" in reasons["Scores"]
    assert "(line 2) hold no record and are left out." in reasons["Scores"]
    assert "environment.json cannot be read" in reasons["Environment"]
    assert "is damaged" in reasons["Samples, interpolations and neighbours"]
    assert "−31.2 ± 0.9" in document.words


@pytest.mark.parametrize(
    ("name", "content", "part", "words"),
    [
        ("environment.json", "[]", "Environment", "environment.json cannot be read (it holds no object)"),
        ("metrics.jsonl", '{"step": 1, "seconds": 2.0, "alarms": ["It repeats."]}\n', None, "It repeats."),
        ("metrics.jsonl", '{"step": 1, "seconds": 2.0, "": 2.0}\n', "Training curves", "metrics.jsonl cannot be shown"),
        ("metrics.jsonl", "{torn\n", "Training curves", "(line 1) hold no record"),
        ("metrics.jsonl", '[1]\n"text"\n', "Training curves", "2 of the lines of"),
        ("evaluations.jsonl", '{"sigma_curve": 5}\n', "Scores", "1 of the lines of"),
        (
            "evaluations.jsonl",
            '{"measure": "diversity", "modes": 5}\n',
            "Memorisation and diversity",
            "cannot be shown",
        ),
        ("evaluations.jsonl", '{"measure": "features", "reference": 5}\n', "Feature distances", "cannot be shown"),
        ("evaluations.jsonl", '{"measure": 5, "found": [[1]], "warnings": {"a": 1}}\n', "Scores", "hold no record"),
    ],
)
def test_no_damage_stops_a_report(
    make_run: MakeRun, full_run: Run, out: Path, name: str, content: str, part: str | None, words: str
) -> None:
    run = make_run(metrics=METRICS[:3])
    (run.path / name).write_text(content, encoding="utf-8")
    document, answer = read([full_run, run], out)
    named = [missing["part"] for missing in answer["runs"][1]["missing"]]
    assert words in document.words
    assert len(named) == len(set(named))
    assert part is None or part in named
    assert document.problems == []


def test_a_chart_that_cannot_be_drawn_costs_no_score(
    make_run: MakeRun, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> bytes:
        raise ValueError("no such canvas")

    monkeypatch.setattr("gantool.report.drawing._svg", fails)
    document, answer = read([make_run(scores=(parzen_record(),), metrics=METRICS[:3])], out)
    reasons = {part["part"]: part["reason"] for part in answer["runs"][0]["missing"]}
    fault = "the chart cannot be drawn (ValueError: no such canvas)"
    assert {reasons[name] for name in ("Score over σ", "Losses")} == {fault}
    assert "−31.2 ± 0.9" in document.words
    assert "Line chart of the mean log-likelihood of the validation rows" in document.words
    assert document.problems == []


def test_samples_that_are_not_finite_cost_the_neighbours_only(make_run: MakeRun, out: Path) -> None:
    run = make_run()
    weights = {name: torch.full_like(value, torch.nan) for name, value in run.load_generator().state_dict().items()}
    save_checkpoint(run.checkpoints, 8, {"generator": weights})
    document, answer = read([run], out)
    assert "Nearest training images" in [part["part"] for part in answer["runs"][0]["missing"]]
    assert "Interpolations" in document.text


def test_a_record_of_the_first_version_is_a_parzen_score(make_run: MakeRun, out: Path) -> None:
    old = {key: value for key, value in parzen_record(step=3).items() if key != "measure"}
    for key in ("refined", "sample_curve", "uncertainties", "train_gap", "per_class", "class_conditional"):
        del old[key]
    document, answer = read([make_run(scores=(old,))], out)
    assert row(document, "Mean log-likelihood", "these samples")[0] == "−31.2"
    assert (
        "Parzen-window log-likelihood is of step 3; the newest checkpoint is of step 7."
        in answer["runs"][0]["warnings"]
    )


def test_points_are_drawn_over_their_data(make_run: MakeRun, out: Path) -> None:
    document, answer = read([make_run("ring2d")], out)
    assert any("over the test rows in grey" in (image["alt"] or "") for image in document.attributes("img"))
    assert "Interpolations" not in document.text
    assert not any(part["part"].startswith("Nearest") for part in answer["runs"][0]["missing"])


def test_runs_stand_beside_one_another_with_their_differences(make_run: MakeRun, full_run: Run, out: Path) -> None:
    training = replace(full_run.config.training, seed=5)
    other = make_run(scores=(parzen_record(log_likelihood=-8.0),), training=training)
    document, answer = read([full_run, other], out)
    rows = document.tables["Where the configurations differ"]
    assert rows[1:] == [["training.seed", "0", "5"]]
    assert len(document.attributes("mark")) == 2
    scores = document.tables["Parzen-window log-likelihood of each run"]
    assert [cells[-1] for cells in scores[1:]] == ["the first", "comparable"]
    assert [run["not_comparable"] for run in answer["runs"]] == [[], []]
    assert document.problems == []


def test_runs_of_one_name_are_told_apart_by_their_folders(make_run: MakeRun, full_run: Run, out: Path) -> None:
    other = make_run("ring2d", scores=(parzen_record(uncertainties=[{"name": "x", "value": None, "interval": None}]),))
    clone = replace(full_run, path=out.parent / "b" / "x" / full_run.path.name)
    shutil.copytree(full_run.path, clone.path)
    document, _ = read([full_run, clone, other], out)
    heads = document.tables["Where the configurations differ"][0][1:]
    own = f"{full_run.path.parent.name}/{full_run.path.name}"
    assert heads == [own, f"x/{full_run.path.name}", other.path.name]
    assert [cells[0] for cells in document.tables["Parzen-window log-likelihood of each run"][1:]] == heads


def test_an_uncertainty_without_numbers_is_a_dash(make_run: MakeRun, out: Path) -> None:
    lines = [{"name": name, "value": None, "interval": interval} for name, interval in (("a", None), ("b", [None, 1]))]
    document, _ = read([make_run(scores=(parzen_record(uncertainties=lines),)), make_run()], out)
    assert row(document, "Uncertainties", "a")[:2] == row(document, "Uncertainties", "b")[:2] == ["–", "–"]


@pytest.mark.parametrize(
    ("changes", "word"), [({"num_samples": 500}, "number of samples"), ({"split": "train"}, "split")]
)
def test_unlike_scores_are_not_compared(
    make_run: MakeRun, full_run: Run, out: Path, changes: dict[str, Any], word: str
) -> None:
    document, answer = read([full_run, make_run(scores=(parzen_record(**changes),))], out)
    scores = document.tables["Parzen-window log-likelihood of each run"]
    assert scores[2][-1].startswith(f"not comparable, other {word}")
    assert "are not to be compared with one another" in document.words
    assert answer["runs"][1]["not_comparable"]


def test_unlike_rulers_are_told_where_runs_stand_beside_one_another(make_run: MakeRun, out: Path) -> None:
    record = {"measure": "features", "features": "gantool classifier", "num_samples": 300, "classifier": "a" * 64}
    runs = [make_run(scores=(record | {"classifier": letter * 64},)) for letter in "aab"]
    document, answer = read(runs, out)
    said = "feature distances: classifier (bbbbbbbbbbbb, not aaaaaaaaaaaa)"
    assert [run["not_comparable"] for run in answer["runs"]] == [[], [], [said]]
    assert f"has other {said}" in document.words


def test_differences_of_configurations_are_those_of_their_fields(make_run: MakeRun, full_run: Run) -> None:
    other = make_run(training=replace(full_run.config.training, epochs=3, k=2), about="another")
    found = configuration_differences([collect(full_run), collect(other)])
    assert found == {"training.k": [1, 2], "training.epochs": [full_run.config.training.epochs, 3]}
    assert flatten({"a": [{"b": 1}], "c": None}) == {"a.0.b": 1, "c": None}
    assert set(flatten(TrainingConfig().__dict__, "training")) >= {"training.k", "training.order"}


@pytest.mark.parametrize(("name", "message"), [("x.txt", "writes .html"), ("gone/x.html", "is not there")])
def test_a_place_that_cannot_be_written_is_refused(full_run: Run, tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        write_report([full_run], tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_an_old_report_outlives_a_failed_one(full_run: Run, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out.write_text("old", encoding="utf-8")

    def full(self: Path, text: str, **options: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", full)
        with pytest.raises(OSError, match="No space left"):
            write_report([full_run], out)
    assert out.read_text(encoding="utf-8") == "old"
    assert list(out.parent.iterdir()) == [out]
