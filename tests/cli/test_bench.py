"""`gantool bench`: its JSON, its files, and every way to ask for it wrongly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from calling import Command
from PIL import Image

CPU = torch.device("cpu")
KEYS = {
    "case", "device", "dtype", "impl", "median_ms", "min_ms", "max_ms", "repeats", "speedup_over", "max_abs_error",
    "tflops", "fraction_of_peak",
}  # fmt: skip


call = Command("bench")


def quick(op: str, *arguments: object) -> tuple[object, ...]:
    return (op, "--quick", "--repeats", 2, "--device", "cpu", *arguments)


@pytest.mark.parametrize(("op", "count"), [("maxout", 2), ("parzen", 3)])
def test_the_json_has_the_contract(op: str, count: int, tmp_path: Path) -> None:
    out, plot = tmp_path / "bench.json", tmp_path / "bench.png"
    options = ("--impl", "eager", "--impl", "reference", "--json", "--out", out, "--plot", plot)
    result = call(*quick(op, *options))
    assert result.exit_code == 0, result.stderr
    payload: dict[str, Any] = json.loads(result.stdout)
    assert json.loads(out.read_text()) == payload
    assert payload["environment"]["device"] == "cpu"
    assert payload["peak_tflops"]["float32"] > 0
    records = payload["cases"]
    assert len({(record["case"], record["dtype"]) for record in records}) == count
    for record in records:
        assert set(record) >= KEYS
        assert record["repeats"] == 2
        assert 0 < record["min_ms"] <= record["median_ms"] <= record["max_ms"]
        other = {"eager": "reference", "reference": "eager"}[record["impl"]]
        assert set(record["speedup_over"]) == {other}
        assert record["max_abs_error"] is not None
    with Image.open(plot) as image:
        assert image.format == "PNG"
        grey_bars = {colour: pixels for pixels, colour in image.getcolors(1 << 20)}[150, 150, 150]
        assert grey_bars > 100


def test_training_is_timed_against_the_plain_loop() -> None:
    result = call(*quick("train", "--impl", "native", "--impl", "autograd", "--impl", "eager", "--json"))
    assert result.exit_code == 0, result.stderr
    records = json.loads(result.stdout)["cases"]
    assert [(record["dtype"], record["impl"]) for record in records] == [
        (dtype, impl) for dtype in ("float32", "bfloat16") for impl in ("native", "autograd", "eager")
    ]
    assert records[0]["variant"].startswith("fused step (float32, ")
    eager = records[-1]
    assert (eager["dtype"], eager["variant"], eager["fraction_of_peak"]) == ("bfloat16", "plain loop in float32", None)
    for record in records:
        assert set(record) >= KEYS
        assert record["updates_per_second"] == pytest.approx(1e3 / record["median_ms"])
        assert record["images_per_second"] == pytest.approx(256e3 / record["median_ms"])


def test_presets_without_data_are_named(tmp_path: Path) -> None:
    from gantool.bench.runner import Plan, _run_case
    from gantool.bench.train import cases

    absent = next(case for case in cases(False, CPU, tmp_path) if case.data == "mnist")
    records, reasons = _run_case(absent, Plan("train", impls=("native",)), CPU, 1e9)
    assert records == []
    assert dict(reasons) == {"native": "the data of mnist are not here, and a benchmark downloads nothing"}


@pytest.mark.native
def test_the_native_kernel_is_named_and_compared() -> None:
    result = call(*quick("maxout", "--impl", "native", "--impl", "eager", "--json"))
    assert result.exit_code == 0, result.stderr
    record = json.loads(result.stdout)["cases"][0]
    assert record["impl"] == "native"
    assert record["variant"].startswith("native (")
    assert record["speedup_over"]["eager"] > 0


def test_people_read_a_table_on_stdout(tmp_path: Path) -> None:
    result = call(*quick("parzen", "--impl", "eager", "--data-dir", tmp_path))
    assert result.exit_code == 0, result.stderr
    assert "synthetic bytes" in result.stdout
    assert "measured peak" in result.stdout


def test_what_is_left_out_is_said() -> None:
    result = call(*quick("maxout", "--impl", "thinc", "--impl", "eager", "--json"))
    reasons = {item["dtype"]: item for item in json.loads(result.stdout)["left_out"]}
    assert reasons["bfloat16"] == {
        "case": "maxout 8×24→12×5",
        "dtype": "bfloat16",
        "impl": "thinc",
        "reason": "it is compared in float32 on the CPU only",
    }


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--impl", "fast"), "--impl fast is not an implementation of maxout"),
        (("--repeats", 0), "--repeats must be at least 1"),
        (("--seconds", 0), "--seconds must be positive"),
        (("--out", "missing/bench.json"), "needs the folder missing"),
        (("--plot", "missing/bench.png"), "needs the folder missing"),
        (("--out", "."), "--out . is a folder"),
        (("--device", "abacus"), "--device must be"),
    ],
)
def test_bad_usage(arguments: tuple[object, ...], sentence: str) -> None:
    result = call("maxout", "--quick", *arguments)
    assert result.exit_code == 2
    assert sentence in " ".join(result.stderr.split())
