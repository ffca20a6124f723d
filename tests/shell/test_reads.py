"""What is proven to read: options as getopt reads them, words written anew, paths named, everything else refused."""

from __future__ import annotations

import shlex

import pytest

from harness_tui.tools.shell.programs import TABLE
from harness_tui.tools.shell.programs.program import options
from harness_tui.tools.shell.reads import LONGEST, MOST_WORDS, Reading, prove


def reading(command: str, *, strict: bool = False) -> Reading:
    found = prove(shlex.split(command), strict=strict)
    assert isinstance(found, Reading), found
    return found


def refusal(*words: str, strict: bool = True) -> str:
    found = prove(words, strict=strict)
    assert isinstance(found, str), found
    return found


@pytest.mark.parametrize(
    ("given", "run"),
    [
        ("ls -laR src", "ls -l -a -R src"),
        ("ls src -l", "ls -l src"),
        ("ls -w80 -I '*.o'", "ls -w 80 -I '*.o'"),
        ("ls --colo=never --si", "ls --color=never --si"),
        ("head -50 f", "head -n 50 f"),
        ("head --lines 3 f", "head --lines=3 f"),
        ("tail -qn5 f", "tail -q -n 5 f"),
        ("cut -d, -f1,2 f", "cut -d , -f 1,2 f"),
        ("sort -k2 -nr f", "sort -k 2 -n -r f"),
        ("cat -- -n", "cat -- -n"),
        ("cat a -- -o b", "cat -- a -o b"),
        ("cat -", "cat -"),
        ("grep -R foo .", "grep -r foo ."),
        ("grep -5 -e a f", "grep -C 5 -e a f"),
        ("egrep 'a|b' f", "grep -E 'a|b' f"),
        ("rg -nC3 a", "rg --no-config -n -C 3 a"),
        ("rg -e --no-config f", "rg --no-config -e --no-config f"),
        ("diff -ru a b", "diff --no-dereference -r -u a b"),
        ("date -Iseconds", "date -Iseconds"),
        ("strings -8 f", "strings -a -n 8 f"),
        ("sed -ne 5p -e '$p' f", "sed -n -e 5p -e '$p' f"),
        ("find . -name '*.py' -type f", "find . -name '*.py' -type f"),
        ("ps -ef", "ps -A -f"),
    ],
)
def test_what_is_run_is_written_from_what_was_understood(given: str, run: str) -> None:
    found = reading(given)
    assert found.words == tuple(shlex.split(run))
    assert prove(found.words, strict=False) in (found, Reading(found.program, found.words, found.env, *_rest(found)))


def _rest(found: Reading) -> tuple[str, tuple[str, ...]]:
    """`why` names what was changed, so it is plain the second time."""
    return f"read: {found.program}", found.paths


def test_a_changed_option_is_said() -> None:
    assert reading("grep -Rn foo .").why == "read: grep (-R as -r)"
    assert reading("git status").why == "read: git status"


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ("cat a ../b /c", ["a", "../b", "/c"]),
        ("grep foo a b", ["a", "b"]),
        ("grep -e foo a b", ["a", "b"]),
        ("grep -f /etc/patterns a", ["/etc/patterns", "a"]),
        ("grep -f/etc/patterns", ["/etc/patterns"]),
        ("grep -rnf/etc/patterns", ["/etc/patterns"]),
        ("grep --file=/etc/patterns --exclude-fr ../x a", ["/etc/patterns", "../x", "a"]),
        ("rg foo", []),
        ("rg --files /etc", ["/etc"]),
        ("rg --ignore-file ../x foo src", ["../x", "src"]),
        ("diff --from-file=/a b", ["/a", "b"]),
        ("diff -X/etc/x a b", ["/etc/x", "a", "b"]),
        ("du -X ../x .", ["../x", "."]),
        ("date -r /etc/passwd", ["/etc/passwd"]),
        ("realpath --relative-to=/ a", ["/", "a"]),
        ("sed -n 1p /etc/passwd", ["/etc/passwd"]),
        ("sed -n -e 1p /etc/passwd a", ["/etc/passwd", "a"]),
        ("find /etc src -newer ../x -samefile /y -name z", ["/etc", "src", "../x", "/y"]),
        ("find / -newermt 2020-01-01", ["/"]),
        ("jq .a /etc/x", ["/etc/x"]),
        ("test -f /etc/x", ["/etc/x"]),
        ("echo /etc/x", []),
        ("git log main", []),
        ("git log a..b", []),
        ("git log main...HEAD -- src ../x", ["src", "../x"]),
        ("git diff /etc/passwd x", ["/etc/passwd"]),
        ("git diff --no-index a b", ["a", "b"]),
        ("git diff --no-index -- a b", ["a", "b"]),
        ("git show HEAD:../secret", ["../secret", "HEAD:../secret"]),
        ("git show HEAD:src/x", ["src/x"]),
        ("git log -L1,5:/etc/x", ["/etc/x"]),
        ("git ls-files -X /etc/x", ["/etc/x"]),
        ("git grep foo -- /x", ["/x"]),
        ("git grep -f /etc/x", ["/etc/x"]),
        ("git grep /foo", []),
        ("git blame --ignore-revs-file=/x f", ["/x"]),
        ("git log -- ':(top)../x'", ["../x"]),
        ("git log ..", [".."]),
    ],
)
def test_every_path_is_named(given: str, named: list[str]) -> None:
    assert list(reading(given).paths) == named


def test_git_is_called_hardened() -> None:
    found = reading("git diff -p HEAD~1 -- '*.py'")
    at = found.words.index("diff")
    settings = found.words[:at]
    assert {"core.fsmonitor=false", "core.pager=cat", "log.showSignature=false"} <= set(settings)
    assert {"--no-ext-diff", "--no-textconv"} <= set(found.words[at:])
    assert found.words[-3:] == ("HEAD~1", "--", "*.py")
    assert "--literal-pathspecs" not in found.words and found.env["GIT_OPTIONAL_LOCKS"] == "0"
    assert "--literal-pathspecs" in reading("git log -- --literal-pathspecs").words


def test_ripgrep_reads_no_file_of_options() -> None:
    found = reading("rg foo")
    assert found.words[1] == "--no-config" and found.env == {"RIPGREP_CONFIG_PATH": ""}


@pytest.mark.parametrize("given", ["git stash list", "git --no-pager log", "git --version", "git shortlog -sn"])
def test_git_reads_that_are_written_in_another_way(given: str) -> None:
    assert reading(given).program == "git"


@pytest.mark.parametrize(
    "words",
    [
        ("ls", "--no-such"),
        ("ls", "--s"),  # --si, --size, --sort, --show-control-chars
        ("ls", "--all=x"),
        ("ls", "-ly"),
        ("ls", "--="),
        ("head", "-n"),
        ("head", "--lines"),
        ("head", "-5q"),
        ("git", "log", "--onelin"),
        ("rg", "--hidd", "x"),
    ],
)
def test_what_is_unknown_ambiguous_or_unfinished_is_refused(words: tuple[str, ...]) -> None:
    assert words[1].split("=")[0] in refusal(*words) or "git log" in refusal(*words)


def test_a_reason_names_the_option_and_what_it_does() -> None:
    assert "`sort --outp=f`" in (reason := refusal("sort", "--outp=f", "x")) and "--output writes a file" in reason
    assert "-exec" in (reason := refusal("find", ".", "-exec", "id")) and "starts a program" in reason
    assert "cwd" in refusal("git", "-C", "/", "log")


@pytest.mark.parametrize(
    "name",
    ["./ls", "/tmp/ls", "/bin/ls", "bin/ls", "../ls", "LS", " ls", "ls ", "", "l\u200bs", "\uff4c\uff53", "cat${IFS}f"],
)
def test_a_program_is_a_bare_name_of_the_table(name: str) -> None:
    refusal(name, "f", strict=False)
    refusal(name, "f")


@pytest.mark.parametrize(
    "mark",
    [
        *(
            "$(id)",
            "`id`",
            "a;b",
            "a|b",
            "a&b",
            "a<b",
            "a>b",
            "a\nb",
            "a\rb",
            "a\r\nb",
            "<(id)",
            '"${x:-$(id)}"',
            "&>f",
        ),
        *("a\tb", "a\x1b[2J", "a\x85b", "a\u2028b", "a\u00a0b", "a\u3000b", "a\u202eb", "a\u200bb", "a\u037eb"),
        *("a\uff1bb", "a\uff5cb", "a\uff06b", "a\uff1cb", "a\uff1eb", "\uff04\uff08id\uff09", "\uff40id\uff40"),
    ],
)
def test_what_shows_that_a_shell_was_meant_is_refused_wherever_it_stands(mark: str) -> None:
    for words in (("echo", mark), ("cat", "--", mark), ("grep", "-e", mark, "f"), ("ls", f"--ignore={mark}"), (mark,)):
        assert "\n" not in refusal(*words)
    assert isinstance(prove(("echo", mark), strict=False), Reading), "a shell's parser has read it: it was quoted"


@pytest.mark.parametrize("word", ["a\0b", "\udcff"])
def test_what_no_program_can_be_given_is_refused_always(word: str) -> None:
    refusal("echo", word, strict=False)


def test_a_flood_of_arguments_is_not_read() -> None:
    for words in (["cat", "a" * (LONGEST + 1)], ["cat", *["a"] * MOST_WORDS], ["jq", '"\\"' * 300_000]):
        assert "at a time" in refusal(*words, strict=False)
    assert isinstance(prove(["cat", *["a"] * (MOST_WORDS - 1)]), Reading)
    assert "others" in refusal("ls", "-" + "l" * 50_000)
    refusal("jq", '"' + '\\"' * 50_000)
    refusal("sed", "-n", "1" + " " * 50_000 + "w f")


def test_the_table_is_consistent() -> None:
    for name, program in TABLE.items():
        known = program.options
        for option in known.values():
            instead = option.instead
            assert not instead or (known[instead].allowed and known[instead].value == option.value), name
        assert set(program.because) <= set(known), name
        assert set(program.fixed) <= set(known) and (not program.number or program.number in known), name
        assert all(known[word].allowed for word in program.fixed)
    with pytest.raises(ValueError):
        options("-a -a")
    with pytest.raises(ValueError):
        options("no-dash")
