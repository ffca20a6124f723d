"""Changes of a loop decided over ssh by key presses only, in pane 4 of an 80x24: approved, denied, pushed back."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.shell import model_server, say
from tests.e2e.test_loops_cli import FILE
from tests.loops.crew import CLEAN, git, repository, writes

from .test_vote_over_ssh import Operator
from .way_in import Sshd, Window, wait

LINES = "".join(f"line {number}\n" for number in range(60))
"""More than a card shows at once."""
BREATH = 0.4
"""Seconds a person takes between two keys; presses in one breath decide nothing."""


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="htui-"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def operator(folder: Path, program: Callable[[str], str]) -> Iterator[Operator]:
    with ExitStack() as undo:
        sshd = Sshd(folder / "sshd", program)
        undo.callback(sshd.close)
        window = Window(folder, program, ["sh"])
        undo.callback(window.close)
        operator = Operator(folder, sshd, window)
        undo.callback(operator.shell, "engine", "stop", "--now")
        operator.log_in()
        yield operator


def press(window: Window, *keys: str) -> None:
    for key in keys:
        time.sleep(BREATH)
        window.press(key)


def typed(window: Window, prompt: str, text: str) -> None:
    """Into the prompt, and enter on its own."""
    window.sees(prompt)
    for letter in text:
        window.press("Space" if letter == " " else letter)
    window.sees(text)
    press(window, "Enter")


def read_whole(window: Window, approval: str) -> None:
    """Page by page until the end of the card."""
    window.sees(rf"(?s){approval}.*space: next page")
    pages = 0
    while "space: next page" in window.text:
        press(window, "Space")
        pages += 1
        assert pages < 40, window.text
    assert pages >= 2, "it did not fit on one page"


def test_three_changes_by_key_presses(operator: Operator, folder: Path) -> None:
    window, repo = operator.window, repository(folder / "repo")
    makers = [piece for name in "ABC" for piece in (writes(f"{name}.md", LINES), say(f"I wrote {name}."))]
    with model_server(*makers, say("NOTHING TO DO")) as maker, model_server(CLEAN) as checker:
        file = folder / "tidy.toml"
        file.write_text(FILE.format(repo=repo, maker=maker.url, checker=checker.url))
        operator.shell("loop", "add", str(file))
        operator.attach()

        def asked(number: int) -> dict[str, Any]:
            operator.shell("loop", "run", "tidy")
            found: list[dict[str, Any]] = []

            def there() -> bool:
                found[:] = operator.shell("approvals", "list")
                return bool(found)

            wait(there, lambda: f"round {number} asked for nothing\n{window.text}")
            return found[0]

        def state(row: dict[str, Any], word: str) -> None:
            rows: dict[str, str] = {}

            def there() -> bool:
                rows.update({each["id"]: each["state"] for each in operator.shell("approvals", "list", "--all")})
                return rows[row["id"]] == word

            wait(there, lambda: f"{rows}\n{window.text}")

        first = asked(1)
        assert first["risk"] == "med"
        press(window, "4", "4")
        window.sees(first["id"])
        press(window, "a")
        window.sees("were not on screen yet")
        assert git(repo, "rev-list", "--count", "main") == "1", "what was not read is not approved"
        read_whole(window, first["id"])
        window.sees(r"(?m)^ armed ")
        press(window, "a")
        wait(lambda: git(repo, "rev-list", "--count", "main") == "2", lambda: window.text)
        assert (repo / "A.md").read_text() == LINES
        state(first, "done")

        second = asked(2)
        window.sees(second["id"])
        press(window, "j")  # nothing takes the place of what is under the cursor by itself
        window.sees(rf"(?s){second['id']} change.*\n armed ")
        press(window, "D")
        typed(window, "because: ", "too much")
        state(second, "denied")

        third = asked(3)
        window.sees(third["id"])
        press(window, "j")  # nothing takes the place of what is under the cursor by itself
        window.sees(rf"(?s){third['id']} change.*\n armed ")
        press(window, "b")
        typed(window, "done otherwise: ", "shorter")
        state(third, "pushed_back")
        wait(lambda: len(operator.shell("loop", "show", "tidy")["rounds"]) == 4, lambda: window.text)
        rounds = {each["number"]: each for each in operator.shell("loop", "show", "tidy")["rounds"]}
        assert (rounds[4]["about"], rounds[4]["feedback"]) == ("l1/3", "shorter")
        assert "too much" in maker.seen[4].raw.decode(), "the next maker reads why"
        assert git(repo, "rev-list", "--count", "main") == "2"
        press(window, "q")
        window.sees("code=0")
        operator.assert_back_at_the_shell()
