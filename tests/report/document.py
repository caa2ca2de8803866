"""Reads a page back: its text, tables and images, and whether its elements are closed."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

_VOID = {"meta", "img", "br", "hr", "link", "source", "input"}


class Document(HTMLParser):
    """`tables` maps a table's name to its rows of cells; `problems` lists elements opened or closed wrongly."""

    def __init__(self, page: Path | str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.problems: list[str] = []
        self.text: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.tables: dict[str, list[list[str]]] = {}
        self._rows: list[list[str]] = []
        self.feed(page.read_text(encoding="utf-8") if isinstance(page, Path) else page)
        self.close()
        self.problems += [f"<{name}> is never closed" for name in self.open]

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())

    def attributes(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag == name]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)
        if tag == "table":
            self._rows = self.tables.setdefault(dict(attrs)["aria-label"] or "", [])
        elif tag == "tr":
            self._rows.append([])
        elif tag in ("th", "td"):
            self._rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.problems.append(f"</{tag}> closes nothing at {self.getpos()}")

    def handle_data(self, data: str) -> None:
        if "style" in self.open:
            return
        self.text.append(data)
        if "th" in self.open or "td" in self.open:
            self._rows[-1][-1] += data
