"""README and docs: links lead somewhere, command lines can be typed as they stand, every command and page is listed."""

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
README = ROOT / "README.md"
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = [README, ROOT / "CONTRIBUTING.md", *DOCS]

# A code block is indented by four or more spaces after an empty line, or fenced.
BLOCK = re.compile(r"(?:^|(?<=\n\n))((?: {4,}.+\n|\n(?= {4}))+)|```\w*\n([\s\S]*?)```")


def _text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def test_the_readme_is_short() -> None:
    lines = _text(README).splitlines()
    assert len(lines) <= 120
    assert [line for line in lines if len(line) > 120] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", _text(page)):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        assert path.is_file(), target
        if anchor:
            assert anchor in _anchors(path), target


def _anchors(page: Path) -> set[str]:
    """The headings as links name them."""
    headings = re.findall(r"^#+ (.+)$", BLOCK.sub("\n", _text(page)), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_page_and_picture_is_linked() -> None:
    index = _text(ROOT / "docs" / "index.md")
    assert [page.name for page in DOCS if page.name != "index.md" and f"({page.name})" not in index] == []
    linked = {(page.parent / link).resolve() for page in PAGES for link in re.findall(r"\]\(([^)#\s]+)\)", _text(page))}
    assert sorted(set((ROOT / "docs").rglob("*.png")) - linked) == []


def _commands() -> dict[str, Any]:
    """Every command that does something, by its words: "eval parzen"."""
    found: dict[str, Any] = {}

    def walk(command: Any, words: tuple[str, ...]) -> None:
        for name, below in getattr(command, "commands", {}).items():
            walk(below, (*words, name))
        if not hasattr(command, "commands"):
            found[" ".join(words)] = command

    walk(typer.main.get_command(app), ())
    return found


COMMANDS = _commands()


def _lines_in_blocks(text: str) -> Iterator[str]:
    for indented, fenced in BLOCK.findall(text):
        for line in (indented or fenced).replace("\\\n", " ").splitlines():
            if line.strip().startswith("gantool "):
                yield line.strip()


def _quoted_lines(text: str) -> Iterator[str]:
    for quoted in re.findall(r"`(gantool [^`]+)`", BLOCK.sub("\n", text).replace("\n", " ")):
        yield from quoted.split(" && ")


def _split(line: str) -> tuple[str, list[str]]:
    """The command's name, and the words after it."""
    words = shlex.split(line.partition(" > ")[0], comments=True)[1:]
    depth = 2 if " ".join(words[:2]) in COMMANDS else 1
    return " ".join(words[:depth]), words[depth:]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_command_lines_in_blocks_are_parsed_to_the_end(page: Path) -> None:
    """Options exist and have values of their type; no argument is missing or too many. Nothing is run."""
    for line in _lines_in_blocks(_text(page)):
        name, words = _split(line)
        assert name in COMMANDS, line
        try:
            COMMANDS[name].make_context(name, words)
        except Exception as error:
            pytest.fail(f"{line}: {error}")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_in_sentences_exist_with_their_options(page: Path) -> None:
    """A sentence may write R for a number, or name a group of commands, and is therefore not parsed."""
    for line in _quoted_lines(_text(page)):
        name, words = _split(line)
        if name not in COMMANDS:
            assert not words, line
            assert any(known.startswith(f"{name} ") for known in COMMANDS), line
            continue
        options = {option for p in COMMANDS[name].params for option in (*p.opts, *p.secondary_opts)} | {"--help", "-h"}
        unknown = [word for word in words if word.startswith("--") and word.partition("=")[0] not in options]
        assert not unknown, f"{line}: {unknown}"


def test_the_readme_lists_every_command_in_its_table() -> None:
    rows = [line for line in _text(README).splitlines() if line.startswith("| `gantool ")]
    listed = {name for row in rows for name in re.findall(r"`gantool ([^`]+)`", row)}
    assert listed == set(COMMANDS)
