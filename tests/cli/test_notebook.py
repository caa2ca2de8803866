"""A notebook, executed: a run shows itself, names work as on the command line, and progress is one line that moves."""

from __future__ import annotations

import re
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

TRAIN = "!{sys.executable} -m gantool train --steps 300 --set training.log_every=1 --out runs"


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """The executed code cells."""
    sources = [
        "import sys, numpy as np, gantool",
        TRAIN,
        "run = gantool.load_run(1); run",
        "print(gantool.load_run('latest').path, gantool.load_run('0001-digits').path, gantool.load_run().path)",
        "from gantool.ops import maxout, parzen_log_density\n"
        "print(parzen_log_density(np.zeros((2, 3)), np.ones((4, 3)), 0.5).shape, "
        "maxout(np.zeros((2, 3)), np.ones((4, 5, 3)), np.zeros((4, 5))).shape)",
        "!{sys.executable} -m gantool eval parzen --runs-dir runs --num-samples 200 --no-references | tail -3",
        "gantool.load_run(1)",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    folder = tmp_path_factory.mktemp("notebook")
    kernel = {"display_name": "Python", "language": "python", "name": "python3"}
    notebook.metadata["kernelspec"] = kernel
    NotebookClient(notebook, timeout=180, resources={"metadata": {"path": str(folder)}}).execute()
    executed: list[Any] = notebook.cells
    return executed


def text_of(cell: Any) -> str:
    return "".join(output.text for output in cell.outputs if output.output_type == "stream")


def seen(text: str) -> list[str]:
    """The lines that a reader sees: what follows a carriage return is written over what was before it."""
    return [line.rstrip("\r").rpartition("\r")[2].strip() for line in text.split("\n")]


def test_training_is_one_line_that_moves(cells: list[Any]) -> None:
    text = text_of(cells[1])
    assert "\x1b" not in text
    lines = [line for line in seen(text) if line]
    assert lines[0].startswith("Training runs/0001-digits")
    assert [line for line in lines if line.startswith("step ")] == [lines[1]]
    assert lines[1].startswith("step 300/300")
    assert lines[-1] == "runs/0001-digits"
    assert len(lines) <= 7, lines
    assert text.count("\rstep ") > 5  # it moved


def test_a_run_shows_itself(cells: list[Any]) -> None:
    (output,) = cells[2].outputs
    assert output.data["text/plain"] == "Run('runs/0001-digits': digits on digits, finished at step 300 of 300)"
    html = output.data["text/html"]
    assert "not scored yet" in html
    assert len(re.findall("<polyline", html)) == 2
    assert 'src="data:image/png;base64,' in html
    (scored,) = cells[6].outputs
    assert re.search(r"nats \(Parzen, test, N = 200, σ = 0\.\d+, \w+", scored.data["text/html"])


def test_runs_are_named_as_on_the_command_line(cells: list[Any]) -> None:
    assert text_of(cells[3]).split() == ["runs/0001-digits"] * 3


def test_operators_take_arrays(cells: list[Any]) -> None:
    assert text_of(cells[4]) == "torch.Size([1, 2]) torch.Size([2, 4])\n"


def test_a_score_in_a_notebook_leaves_no_frames(cells: list[Any]) -> None:
    text = text_of(cells[5])
    assert re.findall(r"\x1b\[[0-9;?]*[A-Zac-ln-z]", text) == []  # colours alone
    assert any("Computed in" in line for line in seen(text))
