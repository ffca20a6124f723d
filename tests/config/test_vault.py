"""Handles: the value behind one is read on demand, and no message ever repeats a value."""

from __future__ import annotations

import pytest

from harness_tui.config.vault import EnvVault
from harness_tui.domain.errors import CredentialError
from harness_tui.domain.seams import Credential


def test_a_secret_and_a_pair_are_read_in_the_order_of_places() -> None:
    vault = EnvVault({"KEY": "first", "EMPTY": ""}, {"KEY": "second", "USER": "ann", "EMPTY": "filled", "PW": "s3cret"})
    assert vault.secret("env:KEY") == "first"
    assert vault.secret("env:EMPTY") == "filled"
    assert vault.credential("env:USER,PW") == Credential("ann", "s3cret")


def test_the_value_is_read_at_the_last_moment() -> None:
    environ: dict[str, str] = {}
    vault = EnvVault(environ)
    environ["KEY"] = "late"
    assert vault.secret("env:KEY") == "late"


@pytest.mark.parametrize(("environ", "word"), [({}, "not set"), ({"PW": ""}, "empty")])
def test_a_missing_variable_is_named(environ: dict[str, str], word: str) -> None:
    with pytest.raises(CredentialError, match=f"variable PW is {word}") as caught:
        EnvVault({"USER": "ann", **environ}).credential("env:USER,PW")
    assert caught.value.exit_code == 7
    assert "PW" in caught.value.next_step


@pytest.mark.parametrize("handle", ["", "hunter2hunter2", "vault:site", "env:A B", "env:A,B,C", "sk-1:23"])
def test_other_handles_are_refused_without_being_repeated(handle: str) -> None:
    vault = EnvVault({"A": "1", "B": "2"})
    with pytest.raises(CredentialError, match=r"Write env:VAR\.") as caught:
        vault.secret(handle)
    assert not handle or handle not in str(caught.value)
    with pytest.raises(CredentialError, match=r"Write env:USERVAR,PASSVAR\."):
        vault.credential(handle)


def test_nothing_is_shown() -> None:
    vault = EnvVault({"USER": "ann", "PW": "s3cret"})
    credential = vault.credential("env:USER,PW")
    assert "s3cret" not in f"{vault!r} {credential!r} {credential}"
