"""README and docs: links lead somewhere, command lines can be typed as they stand, every command is in the table."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from gantool.cli.app import app

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 120


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        assert path.exists(), target
        if anchor:
            assert anchor in {_anchor(heading) for heading in _headings(path)}, target


def _headings(path: Path) -> list[str]:
    return re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_every_page_is_listed() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    assert [page.name for page in PAGES[2:] if page.name != "index.md" and f"({page.name})" not in index] == []


def _commands() -> dict[str, Any]:
    found: dict[str, Any] = {}

    def walk(command: Any, words: tuple[str, ...]) -> None:
        inner = getattr(command, "commands", None)
        if inner:
            for name, below in inner.items():
                walk(below, (*words, name))
        else:
            found[" ".join(words)] = command

    walk(typer.main.get_command(app), ())
    return found


COMMANDS = _commands()


def _typed(page: Path) -> Iterator[str]:
    """The command lines in indented code blocks, up to a description, and in backticks."""
    text = page.read_text(encoding="utf-8")
    for line in re.findall(r"^    (gantool .+)$", text, re.MULTILINE):
        yield re.split(r"\s{2,}|\s\(or ", line)[0]
    for quoted in re.findall(r"`(gantool [^`]+)`", re.sub(r"\n", " ", text)):
        yield from quoted.split(" && ")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_can_be_typed_as_they_stand(page: Path) -> None:
    for line in _typed(page):
        words = shlex.split(line.replace("…", "").replace("[RUN...]", ""))[1:]
        if not words or words[0] in ("--help", "--version"):
            continue
        depth = 2 if " ".join(words[:2]) in COMMANDS else 1
        name = " ".join(words[:depth])
        if name not in COMMANDS:
            assert any(known.startswith(f"{name} ") for known in COMMANDS), f"{line}: no command {name}"
            continue
        options = {option for p in COMMANDS[name].params for option in (*p.opts, *p.secondary_opts)} | {"--help", "-h"}
        unknown = [word for word in words if word.startswith("--") and word.partition("=")[0] not in options]
        assert not unknown, f"{line}: {unknown}"


def test_the_readme_names_every_command() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    missing = [
        name for name in COMMANDS if not re.search(rf"`(gantool )?{name}\b", text) and not _is_listed(name, text)
    ]
    assert missing == []


def _is_listed(name: str, text: str) -> bool:
    """A group of commands may stand for its members, as `gantool bench` does."""
    return f"`gantool {name.partition(' ')[0]}`" in text
