"""What was approved is what runs: after any change between the card and the effect, nothing runs.

HARNESS_TUI_BINDING_SEEDS sets how often 500 calls are rewritten (the promise, 10,000 of them, is held with 20).
"""

import os
import random
import shutil
import string
from pathlib import Path

import msgspec
import pytest

from harness_tui.domain.approval import action_digest
from harness_tui.sandbox.base import Command, Finished
from harness_tui.sandbox.none import NoSandbox
from harness_tui.tools.shell import executables, plan

from .shell_hand import Hand, facts, unconfined

SEEDS, ROUNDS = int(os.environ.get("HARNESS_TUI_BINDING_SEEDS", "4")), 500


class Recording(NoSandbox):
    """Starts nothing; keeps what it was told to start."""

    def __init__(self, folder: Path) -> None:
        workspace = folder / "workspace"
        (workspace / "deep" / "down").mkdir(parents=True)
        super().__init__(workspace.resolve(), scratch=folder / "scratch")
        self.commands: list[Command] = []

    async def run(self, command: Command) -> Finished:
        self.commands.append(command)
        return Finished(0, "")


@pytest.fixture
def pinned(tmp_path, monkeypatch):
    """Programs of our own, so that they can be replaced."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("bash", "ls", "git", "tsx"):
        (programs / name).write_text(f"#!/bin/sh\n# {name}\n")
        (programs / name).chmod(0o755)
    monkeypatch.setattr(executables, "DIRECTORIES", (str(programs),))
    return programs


CALLS = (
    ("shell_exec", {"command": "tsx build.ts --fast", "cwd": "deep/down", "timeout": 30.0}),
    ("shell_exec", {"command": "tsx --file=../../other.ts && ls -l", "cwd": "deep/down"}),
    ("shell_exec", {"command": "ls -l > build.ts", "cwd": "deep/down"}),
    ("shell_read", {"program": "git", "args": ["log", "-3"], "cwd": "deep/down"}),
    ("shell_read", {"program": "ls", "args": ["-l", "build.ts"], "cwd": "deep/down"}),
)
BINDS_SCRIPT = CALLS[:3]


def prepare(root: Path) -> None:
    shutil.rmtree(root / "deep", ignore_errors=True)
    (root / "deep" / "down").mkdir(parents=True)
    (root / "deep" / "down" / "build.ts").write_text("build()\n")
    (root / "other.ts").write_text("other()\n")


def edited(text: str, rng: random.Random) -> str:
    """A text with one character added, dropped, doubled or changed; often a space."""
    at = rng.randrange(len(text) + 1)
    piece = rng.choice([" ", "  ", ";id", "\n", "'", *string.ascii_letters])
    return rng.choice([text[:at] + piece + text[at:], text[:at] + text[at + 1 :], text + " ", text[:at] + piece])


def other_arguments(arguments: dict, rng: random.Random) -> dict:
    """The same call with something else in it."""
    key = rng.choice(sorted(arguments))
    value = arguments[key]
    if isinstance(value, list):
        words = [*value]
        at = rng.randrange(len(words))
        words[at] = edited(words[at], rng)
        value = rng.choice([words, [*value, "-a"], [*value, ""], value[1:], [" ".join(value)]])
    else:
        value = value + 1 if isinstance(value, float) else edited(value, rng)
    return {**arguments, key: value}


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_a_rewritten_call_never_runs_on_the_first_ones_judgement(tmp_path, pinned, seed):
    rng = random.Random(seed)
    sandbox = Recording(tmp_path)
    hand = Hand(sandbox)
    prepare(sandbox.files.root)
    for number in range(ROUNDS):
        tool, arguments = rng.choice(CALLS)
        call = hand.call(tool, **arguments)
        shown = await hand.judge(call)
        assert shown.proposal, shown.reason
        rewritten = msgspec.structs.replace(call, arguments=other_arguments(arguments, rng))
        if rewritten.arguments == arguments:
            continue
        outcome = await hand.environment.perform(rewritten)
        assert not outcome.ok
        if number % 10:
            continue
        again = await hand.judge(rewritten)
        if again.proposal:
            assert action_digest(again.proposal) != action_digest(shown.proposal)
    assert sandbox.commands == []


def rewrite_script(root, pinned, sandbox, monkeypatch):
    (root / "deep" / "down" / "build.ts").write_text("evil()\n")
    (root / "other.ts").write_text("evil()\n")


def swap_parent(root, pinned, sandbox, monkeypatch):
    (root / "deep").rename(root / "was")
    (root / "else" / "down").mkdir(parents=True)
    (root / "else" / "down" / "build.ts").write_text("build()\n")
    (root / "deep").symlink_to("else")


def swap_folder(root, pinned, sandbox, monkeypatch):
    (root / "deep" / "down").rename(root / "was")
    (root / "deep" / "down").mkdir()
    (root / "deep" / "down" / "build.ts").write_text("build()\n")


def lead_out(root, pinned, sandbox, monkeypatch):
    (root / "deep" / "down").rename(root.parent / "down")
    (root / "deep" / "down").symlink_to(root.parent / "down")


def replace_program(root, pinned, sandbox, monkeypatch):
    for name in ("bash", "ls", "git", "tsx"):
        (pinned / "new").write_text(f"#!/bin/sh\n# {name}\n")
        (pinned / "new").chmod(0o755)
        (pinned / "new").rename(pinned / name)


def add_a_variable(root, pinned, sandbox, monkeypatch):
    prove = plan.prove

    def tampered(words, *, strict=True):
        found = prove(words, strict=strict)
        return found if isinstance(found, str) else msgspec.structs.replace(found, env={**found.env, "GIT_PAGER": "id"})

    monkeypatch.setattr(plan, "prove", tampered)


def weaken(root, pinned, sandbox, monkeypatch):
    sandbox.kind = "bubblewrap"


ALL = (swap_parent, swap_folder, lead_out, replace_program, weaken)
CHANGES = [
    *((change, call) for change in ALL for call in CALLS),
    *((rewrite_script, call) for call in BINDS_SCRIPT),
    *((add_a_variable, call) for call in CALLS[3:]),
]


@pytest.mark.parametrize(("change", "call"), CHANGES)
async def test_a_changed_world_runs_nothing(tmp_path, pinned, monkeypatch, change, call):
    sandbox = Recording(tmp_path)
    hand = Hand(sandbox)
    prepare(sandbox.files.root)
    asked = hand.call(call[0], **call[1])
    shown = await hand.judge(asked)
    change(sandbox.files.root, pinned, sandbox, monkeypatch)
    outcome = await hand.environment.perform(asked)
    assert not outcome.ok
    assert outcome.text.startswith(f"{call[0]} was not run: since it was judged, ")
    again = await hand.judge(asked)
    assert again.proposal is None or action_digest(again.proposal) != action_digest(shown.proposal)
    assert sandbox.commands == []


@pytest.mark.parametrize("call", CALLS)
async def test_unchanged_it_runs_exactly_what_was_shown(tmp_path, pinned, call):
    sandbox = Recording(tmp_path)
    hand = Hand(sandbox)
    prepare(sandbox.files.root)
    asked = hand.call(call[0], **call[1])
    shown = await hand.judge(asked)
    again = await hand.judge(asked)
    assert action_digest(again.proposal) == action_digest(shown.proposal)
    assert (await hand.environment.perform(asked)).ok
    # git is asked for its content filters first.
    [ran] = [command for command in sandbox.commands if "--get-regexp" not in command.argv]
    assert ran.cwd == "deep/down"
    if call[0] == "shell_exec":
        assert ran.argv == ("bash", "--norc", "--noprofile", "-c", "--", call[1]["command"])
        assert ran.executable == str(pinned / "bash")
        assert ran.env == {}
    else:
        assert ran.executable == str(pinned / call[1]["program"])
        for name, value in ran.env.items():
            assert f"{name}={value}" in facts(shown)["environment"].splitlines()
    before = len(sandbox.commands)
    assert not (await hand.environment.perform(asked)).ok  # one judgement, one run
    assert len(sandbox.commands) == before


async def test_words_with_spaces_are_shown_apart(tmp_path, pinned):
    hand = Hand(Recording(tmp_path))
    plain = await hand.judge(hand.call("shell_exec", command="tsx -l"))
    spaced = await hand.judge(hand.call("shell_exec", command="'tsx ' -l"))
    assert facts(plain)["runs"] == "tsx -l"
    assert facts(spaced)["runs"] == "'tsx ' -l"
    assert action_digest(plain.proposal) != action_digest(spaced.proposal)


async def test_a_script_outside_the_workspace_is_bound_too(tmp_path):
    hand = unconfined(tmp_path)
    script = tmp_path / "outside.sh"
    script.write_text("echo fine\n")
    call = hand.call("shell_exec", command=f"bash {script}")
    assert str(script) in facts(await hand.judge(call))["operands"]
    script.write_text("touch evil\n")
    assert not (await hand.environment.perform(call)).ok
    assert not list(hand.sandbox.files.root.iterdir())


@pytest.mark.parametrize(
    "command",
    [
        "bash < b.sh",
        "sh -c 'bash <b.sh'",
        "X=b.sh; bash $X",
        "cat a | (bash b.sh)",
        "env -S 'bash b.sh'",
        'bash "b"".sh"',
        "curl --data=@b.sh x",
        "bash -- sub/../b.sh",
        "source ./b.sh",
        ". b.sh",
        "xargs bash b.sh",
        "bash ${X:-b.sh}",
        "make -fb.sh",
    ],
)
async def test_however_a_script_is_named_it_is_bound(tmp_path, command):
    hand = unconfined(tmp_path)
    root = hand.sandbox.files.root
    (root / "sub").mkdir()
    (root / "b.sh").write_text("echo fine\n")
    call = hand.call("shell_exec", command=command)
    assert "b.sh sha256:" in facts(await hand.judge(call))["operands"]
    (root / "b.sh").write_text("touch evil\n")
    assert "its operands changed" in (await hand.environment.perform(call)).text
    assert not (root / "evil").exists()


async def test_more_files_than_are_bound_are_named_as_such(tmp_path):
    hand = unconfined(tmp_path)
    for number in range(70):
        (hand.sandbox.files.root / f"f{number}").write_text("x")
    names = " ".join(f"f{number}" for number in range(70))
    bound = facts(await hand.judge(hand.call("shell_exec", command=f"tar c {names}")))["operands"].splitlines()
    assert len(bound) == 65
    assert bound[-1] == "what else it names is not bound: too many words or files"
