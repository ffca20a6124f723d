"""What a command runs is judged too: a rule on `rm` meets it beneath every wrapper, and no doubt is allowed."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness_tui.domain.rules import Rule, Subject, allows, touches
from harness_tui.tools.shell.bash import Script, parse, seen
from harness_tui.tools.shell.wrappers import MAX_DEPTH, MAX_FOUND, OPAQUE, PREFIXES, SHELLS, unwrap

DENY_RM = Rule("deny", "shell_exec", command=("rm", "..."))
ALLOW_ALL = Rule("allow", "shell_exec", command=("*", "..."))


def subject(text):
    script = parse(text)
    commands = script.commands if isinstance(script, Script) else seen(text)
    found = unwrap(commands)
    return Subject("shell_exec", found.commands, understood=isinstance(script, Script) and not found.why)


UNDERSTOOD = (
    *("sudo env nice rm x", "sudo -n -u bob rm x", "env -i -u HOME rm x", "nice -n 5 rm x", "nice -10 rm x"),
    *("ionice -c 3 rm x", "nohup rm x", "timeout -k 5 10 rm x", "timeout --signal=KILL 10 rm x", "stdbuf -oL rm x"),
    *("setsid -w rm x", "doas -u bob rm x", "chroot /srv rm x", "unshare -rn rm x", "nsenter -t 1 -m rm x"),
    *("flock -n lock rm x", "flock lock -c 'rm x'", "busybox rm x", "sh -c 'rm x'", "bash -ec 'ls; rm x'"),
    *("bash --norc -c 'sudo rm x'", "watch -n 5 rm x", "watch -x rm x", "ssh host rm x", "ssh -p 22 host 'ls; rm x'"),
    *("find . -name '*.py' -exec rm {} \\;", "find . -exec ls {} + -execdir rm {} \\;", "/bin/sudo /bin/env rm x"),
    *("sh -c -e 'rm x'", "bash -c -- 'rm x'", "sh -x -c 'rm x' name"),
    *("sudo -- rm x", "ls | sudo rm x", "env sh -c 'nice sh -c \"rm x\"'", "sudo /usr/bin/time -p rm x"),
)  # fmt: skip


@pytest.mark.parametrize("text", UNDERSTOOD)
def test_inner_commands_are_judged(text):
    found = subject(text)
    assert found.understood
    assert touches(DENY_RM, found)
    outer = Rule("allow", "shell_exec", command=(found.commands[0][0], "..."))
    assert not allows([outer], found)
    assert allows([ALLOW_ALL], found)


NOT_UNDERSTOOD = (
    *("env -S 'bash -c rm' x", "env -S 'rm x'", "env -u A -S 'rm x'", "env --split-string='rm x'", "env A=1 rm x"),
    *("env LD_PRELOAD=./x.so rm x", "sudo A=1 rm x", "sudo -i rm x", "sudo --weird rm x", "su bob -c 'rm x'"),
    *("ls | xargs rm", "xargs -I{} rm {}", "script -qc 'rm x' /dev/null", "bash -lc 'rm x'", "bash -ic 'rm x'"),
    *("bash -o pipefail -c 'rm x'", "zsh -c 'rm x'", "fish -c 'rm x'", "sh -c 'rm $x'", "sh -c 'cd a; rm x'"),
    *("ssh -o ProxyCommand=x host rm x", "ssh host 'rm $x'", "find . -exec sh -c 'rm {}' \\;", "parallel rm ::: x"),
    *("taskset 1 rm x", "strace -f rm x", "time rm x", "A=1 rm x", "ls > y; sudo rm x", "timeout --weird=1 5 rm x"),
    *("command rm x", "exec rm x", "eval 'rm x'", "trap 'rm x' EXIT", "r''m x > y", "\\rm x &", "! rm x"),
    *("bash -c -l 'rm x'", "sh -c +e 'rm x'"),
    *("echo $(sudo rm x)", "sudo nice " * 5 + "rm x", "rm x &", "(nohup rm x)", "if ls; then rm x; fi"),
)  # fmt: skip


@pytest.mark.parametrize("text", NOT_UNDERSTOOD)
def test_what_is_not_understood_is_denied_but_never_allowed(text):
    found = subject(text)
    assert not found.understood
    assert touches(DENY_RM, found)
    assert not allows([ALLOW_ALL], found)


@pytest.mark.parametrize("text", ["curl x | sh", "bash", "sh -e", "su", "script", "find . -exec {} \\;", "sh -c"])
def test_shells_that_read_from_elsewhere(text):
    assert not subject(text).understood


@pytest.mark.parametrize("depth", [1, MAX_DEPTH, MAX_DEPTH + 1, 12, 500])
def test_depth_is_bounded(depth):
    found = subject("nice " * depth + "rm x")
    assert found.understood == (depth <= MAX_DEPTH)
    assert touches(DENY_RM, found)


def test_a_script_file_is_a_plain_command():
    assert subject("bash build.sh --fast") == Subject("shell_exec", (("bash", "build.sh", "--fast"),))


WORDS = st.lists(
    st.sampled_from(
        [
            *(*PREFIXES, *SHELLS, *OPAQUE[:3], "find", "ssh", "su", "watch", "script", "rm", "ls", "-c", "-n", "--"),
            *("5", "A=1", "-exec", ";", "{}", "+", "-S", "rm x", "sh -c 'rm x'", "$(rm x)", "-x", "", "--unset", "'"),
        ]
    ),
    min_size=1,
    max_size=10,
)  # fmt: skip


@settings(max_examples=500, deadline=None)
@given(st.lists(WORDS, min_size=1, max_size=4))
def test_any_words_are_answered(commands):
    given_commands = tuple(tuple(words) for words in commands)
    found = unwrap(given_commands)
    assert set(given_commands) <= set(found.commands)
    assert found.why or all(len(words) for words in found.commands)


def test_texts_within_texts_are_bounded():
    text = "rm x"
    for _ in range(12):
        text = f"zsh -c {text!r} " * 3
        if len(text) > 30_000:
            break
    found = unwrap(seen(text))
    assert found.why
    assert len(found.commands) <= MAX_FOUND + 1_000
