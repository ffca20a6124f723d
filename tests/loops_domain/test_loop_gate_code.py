"""A gate that is code can say no, in its time; everything else it does is a no as well."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness_tui.domain.errors import UsageError
from harness_tui.domain.loop import levels
from harness_tui.domain.rules import Rule
from harness_tui.loops import gates

from .made import GOOD, SPEC, gated

SOURCE = """
import sys, threading
held = threading.Event()
seen = []

def yes(proposal): seen.append(proposal); return "proceed"
def no(proposal): return "escalate"
def because(proposal): return ("escalate", "it is Friday")
def wordless(proposal): return ("escalate", "")
def true(proposal): return True
def none(proposal): return None
def shout(proposal): return "PROCEED"
def both(proposal): return ("proceed", "escalate")
def three(proposal): return ("escalate", "a", "b")
def listed(proposal): return ["escalate", "a"]
def raises(proposal): raise RuntimeError("broken")
def leaves(proposal): sys.exit(0)
def hangs(proposal): held.wait(60); return "proceed"
async def later(proposal): return "proceed"
class Sly(str):
    def __eq__(self, other): return True
    __hash__ = str.__hash__
def sly(proposal): return Sly("no")
number = 7
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    name = "gates_of_a_test"
    (tmp_path / f"{name}.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield name
    loaded = sys.modules.pop(name, None)
    if loaded:
        loaded.held.set()


def asked(use: str) -> str:
    said = gates.gate(gated(use=use))(gated(use=use), "L3", GOOD)
    return "" if said.decision == "proceed" else said.reason


def test_only_the_very_word_proceeds(module: str) -> None:
    assert asked(f"{module}:yes") == ""
    assert sys.modules[module].seen == [GOOD]


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        ("no", "escalates"),
        ("because", "it is Friday"),
        ("wordless", "escalates"),
        ("true", "answered bool"),
        ("none", "answered NoneType"),
        ("shout", "answered str"),
        ("both", "answered tuple"),
        ("three", "answered tuple"),
        ("listed", "answered list"),
        ("sly", "answered Sly"),
        ("raises", "raised RuntimeError: broken"),
        ("leaves", "raised SystemExit"),
        ("later", "is no plain function"),
        ("number", "is no plain function"),
        ("absent", "cannot be loaded: AttributeError"),
    ],
)
def test_anything_else_escalates_with_the_reason(module: str, function: str, reason: str) -> None:
    assert reason in asked(f"{module}:{function}")


@pytest.mark.parametrize("use", ["no_such_module_here:f", "json:", ":f", "a b:c", "os.path:join:x", "os;x:y"])
def test_what_is_no_function_escalates(use: str) -> None:
    assert asked(use)


@pytest.mark.parametrize("level", ["L1", "L2"])
def test_at_l1_and_l2_it_is_not_even_asked(module: str, level: str) -> None:
    of = gated(use=f"{module}:yes")
    said = gates.gate(of)(of, level, GOOD)  # type: ignore[arg-type]
    assert said.decision == {"L1": "report", "L2": "escalate"}[level]
    assert module not in sys.modules


def test_one_that_hangs_costs_its_time_once(module: str) -> None:
    code = gates.Code(f"{module}:hangs", "", deadline=0.2)
    assert code(GOOD) == f"{module}:hangs gave no answer in 0.2 s"
    threads = threading.active_count()
    assert code(GOOD) == f"{module}:hangs has not answered about an earlier proposal"
    assert threading.active_count() == threads


def test_a_module_of_the_workspace_is_not_run(tmp_path: Path, module: str) -> None:
    planted = tmp_path / "planted_gate.py"
    planted.write_text(
        "from pathlib import Path\nPath(__file__).with_name('ran').touch()\ndef f(p): return 'proceed'\n"
    )
    with pytest.raises(UsageError, match="lies in the loop's workspace"):
        gates.load("planted_gate:f", str(tmp_path))
    assert not (tmp_path / "ran").exists()
    assert callable(gates.load("planted_gate:f", str(tmp_path / "elsewhere")))
    sys.modules.pop("planted_gate")


def test_the_operators_rules_count_where_and_while_they_are_in_force() -> None:
    def decided(rule: Rule, now: int = 5) -> str:
        return gates.gate(SPEC, [rule], now=now)(SPEC, "L3", GOOD).decision

    deny = Rule("deny", "loop:*", id="R-1")
    assert decided(deny) == "escalate"
    assert decided(Rule("deny", "loop:*", id="R-1", workspace="/srv/docs")) == "escalate"
    assert decided(Rule("deny", "loop:*", id="R-1", workspace="/srv/other")) == "proceed"
    assert decided(Rule("deny", "loop:*", id="R-1", expires=5)) == "proceed"
    assert decided(Rule("deny", "loop:*", id="R-1", expires=6)) == "escalate"


def test_code_is_drilled_like_any_gate(module: str) -> None:
    kind = gated(use=f"{module}:yes")
    assert levels.drill(kind, gates.gate(kind)).passed
    stops = gated(use=f"{module}:because")
    run = levels.drill(stops, gates.gate(stops))
    assert not run.passed
    assert "it is Friday" in run.checks[0]
