"""Variables that hold secrets do not stay in the environment."""

from __future__ import annotations

import pytest

from harness_tui.config.secret_variables import is_secret, take


@pytest.mark.parametrize(
    "name",
    [
        "OPENAI_API_KEY",
        "ANTHROPIC_AUTH_TOKEN",
        "GEMINI_API_KEY",
        "BOARD_PASSWORD",
        "AWS_SECRET_ACCESS_KEY",
        "APIKEY",
        "db_passwd",
    ],
)
def test_names_that_speak_of_secrets(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize(
    "name", ["PATH", "OPENAI_BASE_URL", "HARNESS_TUI_KEY_COMMAND", "MONKEY", "KEYBOARD", "TOKENIZER", "BOARD_USER"]
)
def test_names_that_do_not(name: str) -> None:
    assert not is_secret(name)


def test_they_are_taken_out_and_the_rest_stays() -> None:
    environ = {"OPENAI_API_KEY": "sk-1", "PATH": "/bin"}
    assert take(environ) == {"OPENAI_API_KEY": "sk-1"}
    assert environ == {"PATH": "/bin"}
