"""Rules match calls by their parts; a pattern never costs more than its length, and a rule says what it means."""

from __future__ import annotations

import pytest

from harness_tui.domain.errors import UsageError
from harness_tui.domain.rules import (
    LONGEST,
    MOST_STARS,
    Example,
    Rule,
    Subject,
    Where,
    allows,
    command_matches,
    failing,
    host_matches,
    in_force,
    path_matches,
    touches,
    wrongs,
)


@pytest.mark.parametrize(
    ("pattern", "words", "matches"),
    [
        (("git", "log"), ("git", "log"), True),
        (("git", "log"), ("git", "log", "-p"), False),
        (("git", "log"), ("git",), False),
        (("git", "log", "..."), ("git", "log"), True),
        (("git", "log", "..."), ("git", "log", "-p", "x"), True),
        (("git", "*"), ("git", "push"), True),
        (("git", "*"), ("git", "push", "x"), False),
        (("git", "*"), ("GIT", "push"), False),
        (("npm", "run", "test:*"), ("npm", "run", "test:unit"), True),
        ((), (), True),
        ((), ("ls",), False),
    ],
)
def test_commands_match_word_by_word(pattern: tuple[str, ...], words: tuple[str, ...], matches: bool) -> None:
    assert command_matches(pattern, words) is matches


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("docs/*", "docs/a.md", True),
        ("docs/*", "docs/a/b.md", False),
        ("docs/**", "docs/a/b.md", True),
        ("docs/**", "docs", True),
        ("docs/**", "docs-evil/a", False),
        ("**/*.py", "a.py", True),
        ("**/*.py", "a/b/c.py", True),
        ("**/*.py", "a/b/c.pyc", False),
        ("a/**/b/**/c", "a/x/b/c", True),
        ("a/**/b/**/c", "a/x/c", False),
        ("*", ".env", True),
    ],
)
def test_paths_match_part_by_part(pattern: str, path: str, matches: bool) -> None:
    assert path_matches(pattern, path) is matches


@pytest.mark.parametrize(
    ("pattern", "host", "matches"),
    [
        ("example.com", "example.com", True),
        ("example.com", "example.com:8080", True),
        ("example.com:8080", "example.com", False),
        ("example.com:8080", "example.com:8080", True),
        ("Example.com", "example.com", True),
        ("*.example.com", "a.example.com", True),
        ("*.example.com", "example.com", False),
        ("*.example.com", "aexample.com", False),
        ("example.com", "example.com.evil.io", False),
        ("[::1]", "[::1]:80", True),
        ("[::1]:81", "[::1]:80", False),
    ],
)
def test_hosts_match_whole_names(pattern: str, host: str, matches: bool) -> None:
    assert host_matches(pattern, host) is matches


@pytest.mark.parametrize("pattern", ["(a+)+$", "*a" * MOST_STARS + "b", "[a-", "[[]" * 100, "?" * LONGEST])
def test_a_pattern_is_never_a_regular_expression_and_never_hangs(pattern: str) -> None:
    assert not list(wrongs(Rule("deny", pattern, command=(pattern,), path=pattern.replace("/", "")))), "S22"
    text = "a" * 5000 + "!"
    assert not touches(Rule("deny", "*", command=(pattern,)), Subject("t", ((text,),)))
    assert not path_matches(f"**/{pattern}/**/{pattern}", "/".join([text[:200]] * 200))
    assert not path_matches("/".join(["**", "b"] * 50), "/".join("a" * 1000))


def test_what_is_too_long_is_not_kept() -> None:
    found = wrongs(Rule("deny", "x", command=("*" * (MOST_STARS + 1), "a" * (LONGEST + 1))))
    assert [wrong.key for wrong in found] == ["command", "command"]


def test_an_allow_needs_every_part_and_a_deny_one() -> None:
    push, test = Rule("allow", "shell_exec", command=("git", "push")), Rule("allow", "*", command=("npm", "..."))
    both = Subject("shell_exec", (("git", "push"), ("npm", "test")))
    assert allows((push,), both) == allows((test,), both) == ()
    assert allows((push, test), both) == (push, test)
    assert touches(Rule("deny", "shell_*", command=("npm", "...")), both)
    elsewhere = Subject("shell_exec", (("git", "push"),), paths=("a",))
    assert allows((push,), elsewhere) == ()
    assert allows((Rule("allow", "shell_exec"),), elsewhere)
    assert not allows((Rule("allow", "shell_exec"),), Subject("shell_exec", understood=False))
    assert not allows((push,), Subject("shell_exec")), "a pattern allows nothing of a call without such a part"


def test_a_rule_for_one_action_speaks_of_no_other() -> None:
    this = Rule("allow", "save", action="a" * 64)
    assert allows((this,), Subject("save", paths=("x",), action="a" * 64)) == (this,)
    assert not allows((this,), Subject("save", paths=("x",), action="b" * 64))
    assert not touches(Rule("deny", "save", action="a" * 64), Subject("save"))


@pytest.mark.parametrize(
    ("rule", "used", "holds"),
    [
        (Rule("allow", "t"), 9, True),
        (Rule("allow", "t", workspace="/w"), 0, True),
        (Rule("allow", "t", workspace="/w/"), 0, False),
        (Rule("allow", "t", workspace="/w2"), 0, False),
        (Rule("allow", "t", run="r1"), 0, True),
        (Rule("allow", "t", run="r2"), 0, False),
        (Rule("allow", "t", expires=101), 0, True),
        (Rule("allow", "t", expires=100), 0, False),
        (Rule("allow", "t", uses=2), 1, True),
        (Rule("allow", "t", uses=2), 2, False),
    ],
)
def test_scope_expiry_and_uses(rule: Rule, used: int, holds: bool) -> None:
    assert in_force(rule, Where("/w", "r1", 100), used) is holds


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (Rule("allow", ""), '"tool" is empty'),
        (Rule("allow", "*"), "every tool and every call"),
        (Rule("allow", "t", command=("...",)), "names the program"),
        (Rule("allow", "t", command=("**", "x")), "names the program"),
        (Rule("deny", "t", command=("a", "...", "b")), "only be the last word"),
        (Rule("deny", "t", path="/etc/**"), "relative to the workspace"),
        (Rule("deny", "t", path="a/../../b"), "relative to the workspace"),
        (Rule("deny", "t", host="*"), "too wide"),
        (Rule("deny", "t", host="http://a"), "is no host"),
        (Rule("deny", "t", workspace="here"), "absolute"),
        (Rule("deny", "t", uses=-1), "0 or more"),
        (Rule("deny", "t", action="abc"), "64 hex digits"),
    ],
)
def test_a_rule_that_cannot_mean_what_it_says_is_none(rule: Rule, said: str) -> None:
    (wrong,) = wrongs(rule)
    assert said in wrong.text


def weigh(example: Example) -> Subject:
    """As a box would: `args.words` is the command; anything else is not understood."""
    if example.tool != "shell_exec":
        raise UsageError(f'There is no tool "{example.tool}".')
    words = example.args.get("words")
    return Subject(example.tool, (tuple(words.split()),)) if words else Subject(example.tool, understood=False)


def call(words: str, tool: str = "shell_exec") -> Example:
    return Example(tool, {"words": words})


@pytest.mark.parametrize(
    ("match", "not_match", "said"),
    [
        ((call("git log"), call("git log -p")), (call("git push"),), ""),
        ((call("git log"), call("git push")), (), 'example 2 of "match" (shell_exec) is not what the rule allows'),
        ((), (call("git log"),), 'example 1 of "not_match" (shell_exec) is what the rule allows'),
        (
            (call(""),),
            (),
            'example 1 of "match" (shell_exec) is not what the rule allows, since not all of it is understood',
        ),
        ((call("git log", "shel"),), (), 'example 1 of "match" (shel) is no call: There is no tool "shel"'),
        ((), (call("git log", "shel"),), 'example 1 of "not_match" (shel) is no call'),
    ],
)
def test_examples_are_held_against_the_rule(
    match: tuple[Example, ...], not_match: tuple[Example, ...], said: str
) -> None:
    rule = Rule("allow", "shell_exec", command=("git", "log", "..."), match=match, not_match=not_match)
    wrong = failing(rule, weigh)
    assert (wrong.text if wrong else "").startswith(said)
    assert bool(wrong) is bool(said)


def test_a_path_a_command_only_mentions_is_denied_and_asked_but_need_not_be_allowed() -> None:
    call = Subject("shell_exec", (("cp", "secrets/key", "x"),), mentions=("secrets/key", "x"))
    assert touches(Rule("deny", "*", path="secrets/**"), call)
    assert not touches(Rule("deny", "*", path="other/**"), call)
    assert allows([Rule("allow", "shell_exec", command=("cp", "..."))], call)
