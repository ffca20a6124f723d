"""Programs that can start others, write or send: those unknown never read, those known only with what is listed."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness_tui.tools.shell.programs import TABLE, version
from harness_tui.tools.shell.reads import prove

from .corpus import lines

NAMES = [name for line in lines("able.txt") for name in line.split()]
UNKNOWN = [name for name in NAMES if name not in TABLE]
ESCAPES = [*lines("escapes.txt"), *lines("git_escapes.txt")]

GENERIC = (
    "{} -c id",
    "{} -e id",
    "{} id",
    "{} --version",
    "{} --help",
    "{} -o out",
    "{} --output=out f",
    "{} -exec id",
    "{} -f x --eval=id",
    "{} -- id",
    "{}",
)


def test_the_list_is_long_enough_to_mean_something() -> None:
    assert len(set(NAMES)) >= 400
    assert len(set(UNKNOWN)) >= 300
    assert len(ESCAPES) >= 500


@pytest.mark.parametrize("name", UNKNOWN)
def test_a_program_nobody_described_reads_nothing(name: str) -> None:
    for pattern in GENERIC:
        assert isinstance(prove(shlex.split(pattern.format(name)), strict=False), str)


@settings(max_examples=300)
@given(st.sampled_from(UNKNOWN), st.lists(st.text(max_size=12) | st.sampled_from(NAMES), max_size=6), st.booleans())
def test_nor_does_it_with_any_arguments(name: str, arguments: list[str], strict: bool) -> None:
    assert isinstance(prove([name, *arguments], strict=strict), str)


@settings(max_examples=300)
@given(
    st.sampled_from([program.name for program in version.PROGRAMS]),
    st.lists(
        st.sampled_from(["--version", "-v", "-V", "-c", "-e", "id", "-vc", "-", "--", "--versio"]) | st.text(),
        max_size=4,
    ),
)
def test_of_what_runs_anything_only_the_version_is_read(name: str, arguments: list[str]) -> None:
    found = prove([name, *arguments], strict=False)
    assert isinstance(found, str) or arguments in (["--version"], ["-v"], ["-V"])


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("command", ESCAPES)
def test_what_a_known_program_can_do_beside_reading_is_refused(command: str, strict: bool) -> None:
    reason = prove(shlex.split(command), strict=strict)
    assert isinstance(reason, str), reason
    assert reason.endswith(".") and "\n" not in reason


@pytest.mark.parametrize("command", [each for each in ESCAPES if not each.startswith("printf")])
def test_an_operand_before_it_or_saying_it_twice_changes_nothing(command: str) -> None:
    name, *words = shlex.split(command)
    for around in ([name, "x", *words], [name, *words, *words]):
        assert isinstance(prove(around, strict=False), str), around
