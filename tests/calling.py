"""Commands called in this process, as a user types them."""

from __future__ import annotations

import json
from typing import Any

from typer.testing import CliRunner, Result

from gantool.cli.app import app


class Command:
    """`Command("eval", "parzen")(…)` runs it with further arguments; `answer` adds --json and gives the object."""

    def __init__(self, *words: object) -> None:
        self.words = words

    def __call__(self, *arguments: object) -> Result:
        return CliRunner().invoke(app, [str(word) for word in (*self.words, *arguments)])

    def answer(self, *arguments: object) -> dict[str, Any]:
        result = self(*arguments, "--json")
        assert result.exit_code == 0, result.stderr
        payload: dict[str, Any] = json.loads(result.stdout)
        return payload
