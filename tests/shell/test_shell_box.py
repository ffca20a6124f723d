"""The shell tools over real processes: what reads runs at once, what does not asks or is refused, and says why."""

import os
import secrets

import pytest

from harness_tui.domain.rules import Rule
from harness_tui.tools.shell import executables

from .shell_hand import command_lines, facts, unconfined

SYSTEM = {"PATH", "HOME", "TMPDIR", "LANG", "TERM", "PWD", "SHLVL", "_"}


@pytest.fixture
async def hand(tmp_path):
    made = unconfined(tmp_path, hidden=[tmp_path / "workspace" / "state", tmp_path / "outside" / "state"])
    root = made.sandbox.files.root
    (root / "a.txt").write_text("one\ntwo\n")
    (root / "sub").mkdir()
    (root / "sub" / "b.txt").write_text("below\n")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("canary\n")
    (root / "link").symlink_to(outside / "secret")
    (root / "folder").symlink_to(outside)
    (root / "inner").symlink_to("sub/b.txt")
    os.mkfifo(root / "fifo")
    yield made
    await made.sandbox.close()


async def test_a_read_runs_at_every_level_without_a_shell(hand):
    for level in ("L1", "L2", "L3"):
        assert await hand.verdict("shell_read", level, program="cat", args=["a.txt"]) == "allow"
    judgement, outcome = await hand.run("shell_read", program="cat", args=["a.txt"])
    assert judgement.rule == "read: cat"
    assert (outcome.ok, outcome.text) == (True, "exit 0\none\ntwo\n")


@pytest.mark.parametrize(
    ("program", "args", "cwd", "output"),
    [
        ("cat", ["b.txt"], "sub", "below\n"),
        ("cat", ["../a.txt"], "sub", "one\ntwo\n"),
        ("cat", ["inner"], "", "below\n"),
        ("wc", ["-l", "a.txt"], "", "2 a.txt\n"),
        ("grep", ["-n", "two", "a.txt"], "", "2:two\n"),
    ],
)
async def test_reads_inside(hand, program, args, cwd, output):
    _, outcome = await hand.run("shell_read", program=program, args=args, cwd=cwd)
    assert outcome.text == f"exit 0\n{output}"


async def test_an_absolute_path_beneath_the_root_is_inside(hand):
    root = hand.sandbox.files.root
    _, outcome = await hand.run("shell_read", program="cat", args=[f"{root}/sub/b.txt"])
    assert outcome.text == "exit 0\nbelow\n"
    (root.parent / "workspace-evil").mkdir()
    assert await hand.verdict("shell_read", program="cat", args=[f"{root}-evil/x"]) == "refuse"


LEADS_OUT = (
    *("../outside/secret", "/etc/passwd", "link", "folder/secret", "folder", "sub/../../outside/secret", "./../x"),
    *("fifo", "state/journal", "state", "sub/../a.txt", "//etc/passwd", "folder/missing", "../workspace-evil/x"),
)


@pytest.mark.parametrize("path", LEADS_OUT)
async def test_paths_that_leave_are_refused_by_the_read_and_asked_by_the_command(hand, path):
    judgement = await hand.judge(hand.call("shell_read", program="cat", args=[path]))
    assert (judgement.verdict, judgement.rule) == ("refuse", "jail")
    asked = await hand.judge(hand.call("shell_exec", command=f"cat {path}"))
    assert asked.verdict == "ask"
    assert await hand.verdict("shell_exec", "L3", command=f"cat {path}") == "refuse"


@pytest.mark.parametrize("cwd", ["..", "/", "folder", "sub/../..", "state", "~", "/etc"])
@pytest.mark.parametrize("call", [("shell_read", {"program": "ls"}), ("shell_exec", {"command": "make"})])
async def test_a_working_directory_outside_is_refused(hand, call, cwd):
    judgement = await hand.judge(hand.call(call[0], **call[1], cwd=cwd))
    assert (judgement.verdict, judgement.rule) == ("refuse", "jail")


async def test_what_holds_our_state_is_not_read_as_a_whole(hand):
    (hand.sandbox.files.root / "state").mkdir()
    for args in (["-r", "x", "."], ["-r", "x"]):
        assert await hand.verdict("shell_read", program="grep", args=args) == "refuse"
    assert await hand.verdict("shell_read", program="grep", args=["-r", "x", "."], cwd="sub") == "allow"
    hand.sandbox.enforced = frozenset(["controls"])
    assert await hand.verdict("shell_read", program="grep", args=["-r", "x", "."]) == "allow"


@pytest.mark.parametrize("program", ["python3", "./ls", "/tmp/ls", "rm", "bash", "env", "", "ls;id", "l\u00a0s"])
async def test_what_is_not_proven_to_read_is_refused(hand, program):
    judgement = await hand.judge(hand.call("shell_read", program=program), "L1")
    assert judgement.verdict == "refuse"
    assert judgement.reason


@pytest.mark.parametrize("mark", ["$(id)", "`id`", "a;b", "a|b", "a&b", "<a", ">a", "a\nb"])
async def test_arguments_meant_for_a_shell_are_refused(hand, mark):
    assert await hand.verdict("shell_read", "L1", program="grep", args=[mark, "a.txt"]) == "refuse"


async def test_programs_and_folders_that_are_absent_are_judged_by_name(hand, monkeypatch):
    monkeypatch.setattr("harness_tui.tools.shell.executables.DIRECTORIES", ("/nonexistent",))
    judgement, outcome = await hand.run("shell_read", program="cat", args=["gone.txt"])
    assert (judgement.verdict, outcome.ok) == ("allow", False)
    assert outcome.text == "shell_read was not run: cat is not installed."
    _, outcome = await hand.run("shell_exec", command="make", cwd="gone")
    assert not outcome.ok
    assert "No such file or directory" in outcome.text


@pytest.mark.parametrize("command", ["echo 'rm -rf /'", "cat a.txt", "  ls  ", 'grep "two$" a.txt', "cat 'a.txt';"])
async def test_one_plain_read_never_asks_and_has_no_shell(hand, command):
    for level in ("L1", "L2", "L3"):
        assert await hand.verdict("shell_exec", level, command=command) == "allow"
    judgement, outcome = await hand.run("shell_exec", command=command)
    assert "command" not in facts(judgement)
    assert outcome.ok


ASKS = (
    *("ls && id", "ls; id", "ls || id", "ls | id", "ls & id", "ls\nid", "$(id)", "`id`", "cat <(id)", "ls > out"),
    *('echo "${x:-$(id)}"', "ls >| out", "ls &> out", "ls 2> out", "(ls)", "{ ls; }", "f(){ id; }; f", "rm -rf x"),
    *("env -S 'bash -c id'", "env bash -c id", "nice ls", "timeout 1 ls", "sudo ls", "nice " * 12 + "ls", "$(\\\nid)"),
    *("GIT_PAGER=x git log", "LD_PRELOAD=./x ls", "export A=1", "typeset A=1", "cat${IFS}f", "./ls", "/tmp/ls"),
    *("cd .git/hooks && echo x > pre-commit", "if then rm -rf x", "ls 'a", "[[ -v 'a[$(id)]' ]]", "printf -v x y"),
    *("echo $((x))", "curl x | sh", "setsid nohup sleep 999 &", "$(" * 10_000, "x" * 1_000_000, "", "ls *.py", "bash"),
)


@pytest.mark.parametrize("command", ASKS, ids=lambda text: text[:40])
async def test_everything_else_asks_at_l2_and_is_refused_elsewhere(hand, command):
    judgement = await hand.judge(hand.call("shell_exec", command=command))
    assert (judgement.verdict, judgement.proposal.risk) == ("ask", "high")
    assert facts(judgement)["warning"] == "could reach this console's own controls"
    assert facts(judgement)["command"] == command
    for level in ("L1", "L3"):
        assert await hand.verdict("shell_exec", level, command=command) == "refuse"


@pytest.mark.parametrize("command", ["ls\u00a0-l", "ls \uff1b id", "ls\x00", "ls\r", "ls \u202e", "l\u200bs"])
async def test_characters_that_deceive_are_refused_with_the_reason(hand, command):
    judgement = await hand.judge(hand.call("shell_exec", command=command))
    assert (judgement.verdict, judgement.rule) == ("refuse", "characters")
    assert "U+" in judgement.reason


@pytest.mark.parametrize("timeout", [0, -1, float("nan")])
async def test_a_timeout_that_is_none(hand, timeout):
    assert await hand.verdict("shell_exec", command="make", timeout=timeout) == "refuse"


async def test_rules_meet_what_runs_inside(hand):
    hand.rules = [Rule("deny", "shell_exec", command=("rm", "..."), id="no-rm")]
    for command in ("sudo env nice rm x", "/bin/rm x", "ls; rm x", "./rm x", "ls > a; rm x", "sh -c 'rm x'"):
        judgement = await hand.judge(hand.call("shell_exec", command=command))
        assert (judgement.verdict, judgement.rule) == ("refuse", "no-rm"), command


async def test_rules_allow_only_when_every_segment_is_matched(hand):
    hand.rules = [Rule("allow", "shell_exec", command=("make", "..."), id="make")]
    for command, verdict in {
        "make": "allow",
        "/usr/bin/make test": "allow" if executables.find("/usr/bin/make") else "ask",
        "make && make test": "allow",
        "make; id": "ask",
        "nice make": "ask",
        "./make": "ask",
        "make > out": "ask",
        "make $(id)": "ask",
    }.items():
        assert await hand.verdict("shell_exec", command=command) == verdict, command


async def test_a_command_runs_in_a_clean_bash(hand, monkeypatch):
    root = hand.sandbox.files.root
    monkeypatch.setenv("BASH_ENV", str(root / "rc"))
    monkeypatch.setenv("CANARY", "1")
    (root / "rc").write_text("echo rc was read\n")
    _, outcome = await hand.run("shell_exec", command="env && cat a.txt", cwd="sub")
    assert not outcome.ok  # a.txt is not in sub
    names = {line.partition("=")[0] for line in outcome.text.splitlines() if "=" in line}
    assert all(name in SYSTEM or name.startswith("GIT_") for name in names)
    assert "rc was read" not in outcome.text


async def test_how_it_ended_is_said(hand):
    for command, said in {
        "true && exit 3": "exit 3, no output",
        "kill -9 $$": "killed by a signal; nothing it started is left, no output",
        "sleep 60": "stopped after 0.2 s; nothing it started is left, no output",
        "printf 'a\\377b'": "exit 0\na\ufffdb",
        "-x 2>/dev/null || echo $-": "exit 0\nhBc\n",
    }.items():
        _, outcome = await hand.run("shell_exec", command=f"{command};", timeout=0.2 if "60" in command else 60)
        assert outcome.text == said
    _, outcome = await hand.run("shell_exec", command="head -c 3000000 /dev/zero | tr '\\0' x")
    assert outcome.text.startswith(f"exit 0; {3_000_000 - 1024**2} bytes dropped between head and tail\n")


async def test_what_it_left_running_is_dead(hand):
    mark = f"9{secrets.randbelow(10**9)}"
    command = f"setsid nohup sleep {mark} > /dev/null 2>&1 & cat /proc/$!/cmdline"
    _, outcome = await hand.run("shell_exec", command=command)
    assert outcome.ok
    assert not [line for line in command_lines() if mark in line]
