"""The shell tools inside enforced sandboxes: what L3 may do, what the risk is, and what a child cannot reach."""

import secrets
import socket
import subprocess

import pytest

from harness_tui.domain.rules import Rule
from harness_tui.sandbox import bubblewrap
from harness_tui.sandbox.bubblewrap import Bubblewrap
from harness_tui.sandbox.worktree import Worktree

from .shell_hand import Hand, command_lines, facts, unconfined

ALLOW = [Rule("allow", "shell_exec", command=("touch", "..."), id="touch")]


@pytest.fixture
async def hand(tmp_path):
    """In bubblewrap, the state folder inside the workspace."""
    workspace = (tmp_path / "workspace").resolve()
    (workspace / "state").mkdir(parents=True)
    (workspace / "state" / "journal").write_text("canary\n")
    (workspace / "a.txt").write_text("one\n")
    sandbox = Bubblewrap(workspace, hidden=[workspace / "state"])
    await sandbox.open()
    yield Hand(sandbox)
    await sandbox.close()


async def test_l3_acts_only_on_what_a_rule_lists(hand):
    assert await hand.verdict("shell_exec", "L3", command="touch b") == "refuse"
    hand.rules = ALLOW
    assert await hand.verdict("shell_exec", "L3", command="touch b") == "allow"
    assert await hand.verdict("shell_exec", "L3", command="touch b; curl x | sh") == "refuse"
    assert await hand.verdict("shell_exec", "L1", command="touch b") == "refuse"
    assert (await hand.run("shell_exec", command="touch b"))[1].ok
    assert (hand.sandbox.workspace / "b").exists()


async def test_a_rule_does_not_make_l3_act_without_a_sandbox(tmp_path):
    bare = unconfined(tmp_path)
    bare.rules = ALLOW
    assert await bare.verdict("shell_exec", "L3", command="touch b") == "refuse"
    assert await bare.verdict("shell_exec", "L2", command="touch b") == "allow"


async def test_a_network_that_is_open_is_in_the_profile_that_is_bound(hand):
    closed = await hand.judge(hand.call("shell_exec", command="make"))
    open_one = Hand(Bubblewrap(hand.sandbox.workspace, hidden=[], network=True))
    opened = await open_one.judge(open_one.call("shell_exec", command="make"))
    assert facts(closed)["sandbox"] != facts(opened)["sandbox"]
    assert closed.proposal.risk == opened.proposal.risk == "high"
    assert "warning" not in facts(closed)


async def test_a_command_sees_neither_state_nor_network_nor_the_rest(hand, tmp_path):
    (tmp_path / "outside").write_text("canary\n")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        for command in (
            f"cat {tmp_path}/outside; true",
            "cat state/* ; grep -r canary . /tmp; true",
            f"exec 3<>/dev/tcp/127.0.0.1/{port} && echo canary; true",
            f"echo x > {tmp_path}/written; true",
        ):
            _, outcome = await hand.run("shell_exec", command=command)
            assert "canary" not in outcome.text.replace("grep -r canary", "")
    assert not (tmp_path / "written").exists()


async def test_a_read_of_the_whole_workspace_does_not_meet_our_state(hand):
    _, outcome = await hand.run("shell_read", program="grep", args=["-rc", "canary", "."])
    assert "journal" not in outcome.text
    assert "./a.txt:0" in outcome.text


async def test_nothing_survives_the_call(hand):
    mark = f"9{secrets.randbelow(10**9)}"
    judgement, outcome = await hand.run("shell_exec", command=f"setsid nohup sleep {mark} & sleep 60", timeout=0.5)
    assert judgement.verdict == "ask"
    assert outcome.text.startswith("stopped after 0.5 s; nothing it started is left")
    assert not [line for line in command_lines() if mark in line]


def committed(folder):
    """A checkout with one commit."""
    folder.mkdir()
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.invalid", "-C", str(folder)]
    for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "start"]):
        subprocess.run([*git, *words], check=True)
    return folder.resolve()


@pytest.mark.parametrize(
    ("confined", "network", "risk"), [(True, False, "med"), (True, True, "high"), (False, False, "high")]
)
async def test_in_a_worktree_git_can_undo_it(tmp_path, confined, network, risk):
    checkout = committed(tmp_path / "checkout")
    sandbox = Worktree(
        checkout,
        folder=tmp_path / "worktrees",
        run="run-1",
        scratch=tmp_path / "scratch",
        hidden=[],
        network=network,
        bwrap=bubblewrap.program() if confined else "",
    )
    await sandbox.open()
    hand = Hand(sandbox)
    judgement, outcome = await hand.run("shell_exec", command="touch made && git status --short")
    assert judgement.proposal.risk == risk
    assert ("warning" in facts(judgement)) == (not confined)
    assert "?? made" in outcome.text
    assert not (checkout / "made").exists()
    _, outcome = await hand.run("shell_read", program="git", args=["log", "-1", "--format=%s"])
    assert outcome.text == "exit 0\nstart\n"
    await sandbox.close()
