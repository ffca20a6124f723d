"""Accepted text is exactly what real bash would execute, word for word; everything else is not understood."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness_tui.tools.shell.bash import BUILTINS, RESERVED, Script, parse, seen

from .bash_oracle import Oracle

PIECES = (
    *"abE1é~#{}[]*?!$`'\"\\|&;<>()=+@%^,:.-/ \t\n",
    *("ls", "id", " -l", " x", "''", '""', "'a b'", '"c d"', "$(", "${x", "}", "&&", "||", " \\\n", "@{1}", "HEAD~1"),
    *(
        "a=b ",
        "~/",
        "=~",
        ":~",
        "$'\\x'",
        '$"',
        "if ",
        "time ",
        "! ",
        "{a,b}",
        "{1..3}",
        "a#b",
        " #",
        "2>",
        "\\;",
        "{}",
    ),
)
TEXTS = st.lists(st.sampled_from(PIECES), min_size=1, max_size=12).map("".join)


@settings(max_examples=400, deadline=None)
@given(TEXTS)
@example("ls a=~ b:~ c~ =~ ''~ ~''")
@example('ls "a$" "$ " "a$|b" "a$)"')
@example("ls a{} {}b @{1} {}")
@example("ls 'a\nb' \"c\nd\"\nls;\n\nls &&\n\n ls")
@example("ls \\a\\é \"\\a\\\\\" 'é'")
@example("ls a=b --c=~ x@{a,b} x@{1..2}")
def test_accepted_words_are_what_bash_executes(text):
    script = parse("ls " + text)
    if not isinstance(script, Script):
        return
    assert script.compound == (len(script.commands) > 1)
    names = {words[0] for words in script.commands}
    if any("/" in name or name in (".", "..") for name in names):
        return  # no PATH is asked for these
    # Every command must run, in the order of the text: as a plain list, whatever joins them.
    with tempfile.TemporaryDirectory() as folder:
        ran = Oracle(Path(folder)).words("ls " + text, names)
    joined = [words for words in script.commands if words in ran]
    assert set(ran) == set(joined)
    if "||" not in text:
        assert sorted(ran) == sorted(script.commands)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("git show HEAD~1 HEAD^ stash@{0}", ("git", "show", "HEAD~1", "HEAD^", "stash@{0}")),
        ("echo 'rm -rf /'", ("echo", "rm -rf /")),
        ('grep "foo$" x', ("grep", "foo$", "x")),
        ("find . -exec rm {} \\;", ("find", ".", "-exec", "rm", "{}", ";")),
        ('git log --format="%h %s"', ("git", "log", "--format=%h %s")),
        ("echo a\\ b'c'\"d\"", ("echo", "a bcd")),
        ("  ls  -l ; ", ("ls", "-l")),
        ("r\\m x", ("rm", "x")),
    ],
)
def test_one_plain_command(text, words):
    assert parse(text) == Script((words,), False)


def test_every_segment_is_listed():
    assert parse("ls && id || a; b | c\nd") == Script((("ls",), ("id",), ("a",), ("b",), ("c",), ("d",)), True)


NOT_PLAIN = (
    *("ls & id", "ls &", "ls &&", "&& ls", "ls;;id", "ls |& id", "| ls", "", " \n ", "ls | | id"),
    *("$(id)", "`id`", "cat <(id)", 'echo "${x:-$(id)}"', 'echo "`id`"', "echo $((1))", "cat${IFS}f", "echo $x $'a'"),
    *("ls > out", "ls >| out", "ls &> out", "ls 2> out", "ls < in"),
    *( "cat << E\nx\nE", "cat <<< x", "ls >& out", "2>x ls"),
    *("(ls)", "{ ls; }", "f(){ id; }; f", "function f { id; }", "ls; (id)", "coproc ls", "time ls", "! ls"),
    *("ls *.py", "ls a?", "ls [a]", "ls {a,b}", "ls ~", "ls ~root", "ls a=~", "[ -f x ]", "[[ -v 'a[$(id)]' ]]"),
    *("test -v 'a[$(id)]'", "printf -v x y", "printf -v'a[$(id)]' y", "a=(1 2)", "a=1"),
    *( "A=1 ls", "GIT_PAGER=x git log"),
    *("LD_PRELOAD=./x.so ls", "export A=1", "typeset -x A", "cd .git/hooks && echo x", "eval ls", ". ./x", "source x"),
    *("exec ls", "trap ls EXIT", "alias ls=id", "set -x", "command ls", "builtin ls", "enable -f x y", "hash -p /x ls"),
    *("if then rm -rf x", "if ls; then id; fi", "for a in b; do ls; done", "while ls; do id; done"),
    *( "case a in a) ls;; esac",),
    *("ls 'a", 'ls "a', "ls a\\", "ls \\\nid", 'ls "a\\\nb"', "$(\\\nid)", "ls # x"),
    *( "# x", "'a b' c", "'' x", "a=b", "%1"),
    *("ls\r\nid", "ls\r", "ls\x00", "ls\x1b[2J", "ls\u00a0-l", "ls\u200b", "ls\u202eid"),
    *( "ls\uff1bid", "ls \uff04(id)", "ls\x7f"),
)  # fmt: skip


@pytest.mark.parametrize("text", NOT_PLAIN)
def test_everything_else_is_not_understood(text):
    assert isinstance(parse(text), str)


@pytest.mark.parametrize("name", sorted(BUILTINS | RESERVED))
def test_names_that_change_the_shell(name):
    assert isinstance(parse(f"{name} x"), str)
    assert isinstance(parse(f"ls; '{name}' x"), str)


@pytest.mark.parametrize(
    "text",
    ["a" * 1_000_000, "$(" * 10_000, '"$(' * 10_000, "(" * 60_000, '"' * 60_001, "ls;" * 20_000, "a " * 30_000],
)  # fmt: skip
def test_oversized_and_deep_text_is_answered(text):
    assert isinstance(parse(text), str)
    assert len(seen(text)) <= 200


def test_what_is_not_understood_is_still_seen():
    found = seen("ls > x; A=1 r\\m -rf \"$HOME\"; (sudo id) && `foo bar` | tee >(evil 'a b')")
    assert {("ls",), ("rm", "-rf", '"$HOME"'), ("sudo", "id"), ("foo", "bar"), ("evil", "a b")} <= set(found)


def test_two_readings_must_agree(monkeypatch):
    monkeypatch.setattr("harness_tui.tools.shell.bash._spans", lambda data: [[(0, 2)]])
    assert parse("ls -l") == "two readings of it differ"
