"""`gantool theory`: the paper's propositions and what surrounds them, computed and checked."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gantool.cli.command import command
from gantool.cli.options import Output
from gantool.cli.terminal import note, print_json, say, show, tell
from gantool.errors import UsageError
from gantool.tables import Table

if TYPE_CHECKING:
    from gantool.theory.study import Claim, Study


@command
def theory(
    output: Output,
    study: Annotated[
        str | None, typer.Argument(metavar="STUDY", help="A study's name, or all. Without one, they are listed.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Shorter runs; each claim is checked all the same.")] = False,
    out: Annotated[
        Path | None,
        typer.Option(help="The figure, .png or .svg; of all, a folder.", show_default="runs/theory/STUDY.png"),
    ] = None,
    matrix: Annotated[
        Path | None,
        typer.Option(help="games: a matrix of what the row player is paid, a row a line.", show_default=False),
    ] = None,
    p: Annotated[
        str | None,
        typer.Option(help="divergences: N(0,1), 0.5*N(-1,1)+0.5*N(2,1), or a file of numbers.", show_default=False),
    ] = None,
    q: Annotated[str | None, typer.Option(help="divergences: the other one.", show_default=False)] = None,
) -> None:
    """Compute the paper's propositions, and check each against its closed form.

    A claim that does not hold within its tolerance ends the command with exit code 1.

    Example: gantool theory optimum

    Example: gantool theory divergences --p "N(0,1)" --q "0.5*N(-1,1)+0.5*N(2,1)"
    """
    from gantool.theory.studies import STUDIES

    if study is None:
        _list(output.json)
        return
    if study != "all" and study not in STUDIES:
        close = difflib.get_close_matches(study, STUDIES, n=1)
        hint = f"; did you mean {close[0]}?" if close else f": {', '.join(STUDIES)}, all."
        raise UsageError(f"There is no study {study!r}{hint}")
    names = list(STUDIES) if study == "all" else [study]
    own = _own_options(study, matrix, p, q)
    done = [_run(name, _figure_path(name, out, several=study == "all"), quick, own) for name in names]
    if output.json:
        found = [each.to_dict() | {"figure": str(path)} for each, path in done]
        print_json(found[0] if study != "all" else {"holds": all(each.holds for each, _ in done), "studies": found})
    else:
        for each, path in done:
            _print(each, path)
    if not all(each.holds for each, _ in done):
        raise typer.Exit(1)


def _list(as_json: bool) -> None:
    from gantool.theory.studies import STUDIES

    if as_json:
        print_json({"studies": [{"name": name, "about": entry.about} for name, entry in STUDIES.items()]})
        return
    show(Table(("study", "what it checks"), tuple((name, entry.about) for name, entry in STUDIES.items())))
    tell("Run one with gantool theory STUDY, or all of them with gantool theory all.")


def _own_options(study: str, matrix: Path | None, p: str | None, q: str | None) -> dict[str, Any]:
    """The options of one study alone. UsageError where they are given to another."""
    given = {"matrix": ("games", matrix), "p": ("divergences", p), "q": ("divergences", q)}
    for name, (owner, value) in given.items():
        if value is not None and study != owner:
            raise UsageError(f"--{name} is an option of gantool theory {owner}, not of {study}.")
    return {name: value for name, (_, value) in given.items() if value is not None}


def _figure_path(name: str, out: Path | None, *, several: bool) -> Path:
    if several or out is None:
        return (out or Path("runs") / "theory") / f"{name}.png"
    if out.suffix not in (".png", ".svg"):
        raise UsageError(f"--out must end in .png or .svg, but is {out}.")
    return out


def _run(name: str, path: Path, quick: bool, own: dict[str, Any]) -> tuple[Study, Path]:
    from gantool.cli.stages import shown_progress
    from gantool.theory.figure import save
    from gantool.theory.studies import STUDIES

    with shown_progress(name):
        study = STUDIES[name].run(quick=quick, **own)
        save(study.draw, path)
    return study, path


def _print(study: Study, path: Path) -> None:

    say(study.title)
    headings = ("claim", "computed", "", "exact", "difference", "tolerance", "holds")
    rows = tuple((*_cells(claim), "yes" if claim.holds else "NO") for claim in study.claims)
    show(Table(headings, rows))
    for name, value, error in study.values:
        say(f"{name}: {value:.6g}" + ("" if error is None else f" ± {error:.2g}"))
    for sentence in study.notes:
        note(sentence)
    say(f"Figure: {path}")
    say()


def _cells(claim: Claim) -> tuple[str, ...]:
    numbers = (f"{claim.computed + 0.0:.10g}", claim.relation, f"{claim.exact:.10g}", f"{claim.difference:.1e}")
    return (claim.text, *numbers, f"{claim.tolerance:.0e}" if claim.tolerance else "0")
