"""No text runs at once as a read unless real bash would execute exactly that one command, word for word."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness_tui.sandbox.none import NoSandbox
from harness_tui.tools.shell import plan

from .bash_oracle import Oracle

READS = (
    *("ls -l", "cat a.txt", "grep -n 'x y' a.txt", "git status", "git log -3", "echo hi", "find . -name '*.py'"),
    *("rg foo", "head -5 a", "echo 'rm -rf /'", "pwd", "stat a", "sort a", "uniq a", "cut -d, -f1 a"),
    "git diff HEAD~1",
    "wc -l a",
)  # fmt: skip
SPLICES = (
    *";|&<>$`(){}[]*?~!#\\\"'=\n\t ",
    *("&& id", "; id", "| id", "$(id)", "`id`", "<(id)", ">x", "2>x", "&", "${x}", "\\\n", "''", '""', "$'a'", "{a,b}"),
    *("x=1 ", "! ", "time ", "if ", "~", "@{1}", "|| id", "\nid", "id", "-", "--", "é", "$", "'a b'", "#", " # x"),
)
NAMES = ("ls", "cat", "grep", "git", "echo", "find", "wc", "rg", "head", "pwd", "stat", "sort", "uniq", "cut", "id")


@st.composite
def spliced(draw):
    """An everyday read with anything put anywhere into it."""
    text = draw(st.sampled_from(READS))
    for piece in draw(st.lists(st.sampled_from(SPLICES), max_size=4)):
        at = draw(st.integers(0, len(text)))
        text = text[:at] + piece + text[at:]
    return text


@pytest.fixture(scope="module")
def sandbox():
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder).resolve() / "workspace"
        workspace.mkdir()
        yield NoSandbox(workspace, scratch=Path(folder) / "scratch")


@pytest.mark.parametrize("text", READS)
def test_an_everyday_read_is_one(sandbox, text):
    assert plan.execution(sandbox, text, "", 10).reads


@settings(max_examples=250, deadline=None)
@given(text=spliced())
@example(text="echo 'rm -rf /'")
@example(text="git log -3;")
@example(text="ls\\ -l")
@example(text="cat a.txt\n")
@example(text="echo a\\;id \"b;id\" 'c|id'")
def test_only_what_bash_would_execute_word_for_word(sandbox, text):
    made = plan.execution(sandbox, text, "", 10)
    if not made.reads:
        return
    [words] = made.subject.commands
    with tempfile.TemporaryDirectory() as folder:
        assert Oracle(Path(folder)).words(text, NAMES) == [words]
    assert made.command
    assert made.command.argv[0] == words[0]
