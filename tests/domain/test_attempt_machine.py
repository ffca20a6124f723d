"""The attempt machine under random worlds: it always knows what is next, and a fold gives the same state."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness_tui.domain import attempt as at
from harness_tui.domain import events as ev
from harness_tui.domain import inputs as inp
from harness_tui.domain.approval import Judgement, Proposal
from harness_tui.domain.events import Fact
from harness_tui.domain.ledger import Hold, Refused
from harness_tui.domain.messages import Answer, Message, Text, ToolCall, Usage
from harness_tui.domain.seams import Interlude, ToolOutcome, Verdict

FAR = 10**15


def proposal(call: ToolCall, target: str = "x") -> Proposal:
    return Proposal(call.name, call.arguments, "destructive", "high", "click", (Fact("target", target),), "s")


def read(call: ToolCall) -> Proposal:
    return Proposal(call.name, call.arguments, "read_only", "low", call.name, (), "s")


class Drawn:
    """A world whose answers hypothesis draws."""

    def __init__(self, data: st.DataObject, restart: bool) -> None:
        self.data = data
        self.approvals = 0
        self.started: list[str] = []
        self.restart = restart

    def pick(self, *choices: str) -> str:
        return self.data.draw(st.sampled_from(choices))

    def fresh(self) -> str:
        self.approvals += 1
        return f"A-{self.approvals}"

    def answer(self, s: at.AttemptState, effect: at.Effect) -> inp.Input:
        if self.pick("go", "go", "go", "go", "lost", "cancel") == "lost" and s.world == "open":
            return inp.Lost("the browser died", s.hold)
        match effect:
            case at.Open():
                return inp.Opened("browser", "s", ()) if self.pick("ok", "ok", "no") == "ok" else inp.Failed("no", 78)
            case at.Begin():
                return inp.Began({}, (("system", Message.say("system", "x")), ("task", Message.say("user", "y"))))
            case at.ClearTurn():
                match self.pick("clear", "clear", "clear", "stop", "broke"):
                    case "clear":
                        return inp.TurnCleared(Hold(100, 50, 7), "2026-01-01", ("run:r1", "day:2026-01-01"))
                    case "stop":
                        return inp.TurnStopped("guardrail", "enough")
                return inp.OverBudget(Refused("run:r1", "tokens", 10, 5, 100))
            case at.AskModel():
                return self.model()
            case at.Judge(calls):
                return self.judge(calls)
            case at.AwaitDecision(approval):
                if s.requests[approval].kind == "in_doubt":
                    return inp.Resolved(approval, self.pick("happened", "did_not", "again"), "me")  # type: ignore[arg-type]
                match self.pick("approved", "denied", "expired"):
                    case "expired":
                        return inp.Expired(approval)
                    case word:
                        return inp.Decided(approval, word, "me", s.requests[approval].digest)  # type: ignore[arg-type]
            case at.Perform(calls):
                done = [ToolOutcome(self.pick("y", "n") == "y", "text") for _ in calls]
                return inp.Performed(tuple(inp.Result(c.id, o, 3) for c, o in zip(calls, done, strict=True)))
            case at.RaiseDoubt(call):
                return inp.Doubted(call.id, self.fresh())
            case at.Sense():
                return inp.Sensed(Interlude(fatal="" if self.pick("y", "y", "n") == "y" else "refused"))
            case at.Verify():
                return inp.Checked(Verdict(self.pick("t", "f") == "t", "seen"))
            case at.Finish(interrupted, reason):
                return inp.Ended(interrupted, reason)
        raise AssertionError(effect)

    def model(self) -> inp.Input:
        match self.pick("call", "calls", "reads", "say", "retry", "fail"):
            case "call":
                return inp.Answered(Answer((ToolCall("1", "click", {"n": 1}),), Usage(5, 5)))
            case "calls":
                return inp.Answered(Answer((ToolCall("1", "click"), ToolCall("1", "click", {"n": 2})), Usage(5, 5)))
            case "reads":
                names = self.data.draw(st.lists(st.sampled_from(["look", "look", "see", "click"]), max_size=8))
                return inp.Answered(Answer(tuple(ToolCall(str(n), name) for n, name in enumerate(names))))
            case "say":
                return inp.Answered(Answer((Text("done"),), Usage(5, 5)))
            case "retry":
                return inp.ModelBroke("503", "retry", 0, 5, 7)
        return inp.ModelBroke("401", "auth", 0, 7)

    def judge(self, calls: Sequence[at.Call]) -> inp.Input:
        words = [self.word(call) for call in calls]
        reads = [
            w.verdict == "allow" and w.proposal is not None and w.proposal.risk_class == "read_only" for w in words
        ]
        until = reads.index(False) if False in reads else len(reads)
        beside = [(call.id, word) for call, word in zip(calls[1:until], words[1:until], strict=True)]
        return inp.Judged(calls[0].id, words[0], self.fresh(), FAR, tuple(beside))

    def word(self, call: at.Call) -> Judgement:
        if call.call.name in ("look", "see"):
            verdict = self.pick("allow", "allow", "allow", "refuse")
            return Judgement(verdict, None if verdict == "refuse" else read(call.call))  # type: ignore[arg-type]
        verdict = self.pick("ask", "ask", "allow", "refuse", "moved")
        target = "moved" if verdict == "moved" else "x"
        word = {"moved": "ask"}.get(verdict, verdict)
        return Judgement(word, None if word == "refuse" else proposal(call.call, target))  # type: ignore[arg-type]


@settings(max_examples=150, deadline=None)
@given(st.data(), st.booleans())
def test_any_world_ends_and_folding_gives_the_live_state(data: st.DataObject, restart: bool) -> None:
    world = Drawn(data, restart)
    live = at.AttemptState("r1/1", restart=restart, verifies=True)
    log: list[ev.Event] = [ev.AttemptStarted("r1", 1)]
    at.evolve(live, log[0])
    for _ in range(120):
        effect = at.pending(live)
        if effect is None:
            break
        events = at.decide(live, world.answer(live, effect))
        for event in events:
            at.evolve(live, event)
        log += events
        folded = at.AttemptState("r1/1", restart=restart, verifies=True)
        for event in log:
            at.evolve(folded, event)
        assert folded == live
        assert at.pending(folded) == at.pending(live)
    _check_governance(log)
    _check_barriers(log)


def _check_barriers(log: list[ev.Event]) -> None:
    """Only reads are ever under way together, and results come in the order of the calls."""
    under_way: dict[str, ev.ToolStarted] = {}
    for event in log:
        match event:
            case ev.ToolStarted(call):
                together = [*under_way.values(), event]
                assert len(together) == 1 or {started.risk for started in together} == {"read_only"}
                assert all(_number(earlier) < _number(call) for earlier in under_way)
                under_way[call] = event
            case ev.ToolFinished(call) | ev.ToolRefused(call) if under_way:
                assert next(iter(under_way), call) == call
                under_way.pop(call, None)
            case ev.EnvironmentClosed() | ev.AttemptStarted():
                pass
            case ev.ModelRequested():
                assert not under_way


def _number(call: str) -> tuple[int, ...]:
    return tuple(map(int, call.removeprefix("c").split(".")))


def _check_governance(log: list[ev.Event]) -> None:
    """No consequential start without its own, approved, unspent request once that call has asked."""
    approved: set[str] = set()
    asked: dict[str, str] = {}
    for event in log:
        match event:
            case ev.ApprovalRequested(ident, call):
                asked[ident] = call
            case ev.ApprovalDecided(ident, "approved"):
                approved.add(ident)
            case ev.ApprovalWithdrawn(ident):
                approved.discard(ident)
            case ev.ToolStarted(call, approval=approval) if approval:
                assert approval in approved, "started on an approval that was not given"
                approved.discard(approval)
                assert asked[approval] == call
            case ev.ApprovalDecided(ident, "denied"):
                assert not any(isinstance(e, ev.ToolStarted) and e.approval == ident for e in log)


def waiting() -> tuple[at.AttemptState, str]:
    """An attempt in a browser whose click waits for a decision."""
    s = at.AttemptState("r1/1", restart=True, verifies=True)
    at.evolve(s, ev.AttemptStarted("r1", 1))
    world = (
        inp.Opened("browser", "s1", ()),
        inp.Began({}, (("task", Message.say("user", "vote")),)),
        inp.TurnCleared(Hold(10, 5), "d", ("run:r1", "day:d")),
        inp.Answered(Answer((ToolCall("1", "click"),))),
        inp.Judged("c1.1", Judgement("ask", proposal(ToolCall("1", "click"))), "A-1", FAR),
    )
    for x in world:
        for event in at.decide(s, x):
            at.evolve(s, event)
    return s, s.requests["A-1"].digest


def apply(s: at.AttemptState, x: inp.Input) -> list[ev.Event]:
    events = at.decide(s, x)
    for event in events:
        at.evolve(s, event)
    return events


def test_first_decision_wins_and_the_second_changes_nothing() -> None:
    s, digest = waiting()
    assert apply(s, inp.Decided("A-1", "approved", "a", digest))
    assert apply(s, inp.Decided("A-1", "denied", "b", digest)) == []
    assert isinstance(at.pending(s), at.Judge)


def test_what_changed_since_it_was_shown_does_not_run() -> None:
    s, digest = waiting()
    apply(s, inp.Decided("A-1", "approved", "a", digest))
    moved = proposal(ToolCall("1", "click"), "another arrow")
    events = apply(s, inp.Judged("c1.1", Judgement("ask", moved), "A-2", FAR))
    assert [type(e) for e in events] == [ev.ApprovalWithdrawn, ev.ApprovalRequested]
    assert isinstance(at.pending(s), at.AwaitDecision)


def test_an_approval_given_after_the_world_closed_is_carried_and_spent_on_the_same_action_only() -> None:
    s, digest = waiting()
    apply(s, inp.Lost("the engine stopped"))
    assert isinstance(at.pending(s), at.AwaitDecision)
    apply(s, inp.Decided("A-1", "approved", "a", digest))
    assert at.pending(s) == at.Finish(interrupted=True, reason="the engine stopped")
    carried = at.carry(s)
    for target, expected in (("x", ["ToolStarted"]), ("y", ["ApprovalWithdrawn", "ApprovalRequested"])):
        n = at.AttemptState("r1/2", restart=True)
        at.evolve(n, ev.AttemptStarted("r1", 2, {}, carried))
        for x in (
            inp.Opened("browser", "s2", ()),
            inp.Began({}, (("task", Message.say("user", "vote")),)),
            inp.TurnCleared(Hold(10, 5), "d", ("run:r1", "day:d")),
            inp.Answered(Answer((ToolCall("1", "click"),))),
        ):
            apply(n, x)
        events = apply(n, inp.Judged("c1.1", Judgement("ask", proposal(ToolCall("1", "click"), target)), "A-9", FAR))
        assert [type(e).__name__ for e in events] == expected
        assert not n.carried, "spent or withdrawn: it never covers a second call"


def test_a_started_click_without_a_result_is_in_doubt_never_repeated() -> None:
    s, digest = waiting()
    apply(s, inp.Decided("A-1", "approved", "a", digest))
    apply(s, inp.Judged("c1.1", Judgement("ask", proposal(ToolCall("1", "click"))), "A-2", FAR))
    apply(s, inp.Lost("the engine stopped"))
    effect = at.pending(s)
    assert isinstance(effect, at.RaiseDoubt)
    apply(s, inp.Doubted("c1.1", "A-2"))
    assert at.pending(s) == at.AwaitDecision("A-2", 0)
    apply(s, inp.Resolved("A-2", "happened", "me"))
    assert [c.happened for c in at.carry(s)] == [True]
    assert isinstance(at.pending(s), at.Finish)


@pytest.mark.parametrize(("rule", "asked"), [("proposal", False), ("plan", True), ("L2", True)])
def test_who_only_proposes_is_told_that_nobody_knows_and_no_operator_is_asked(rule: str, asked: bool) -> None:
    s = at.AttemptState("r1/1")
    at.evolve(s, ev.AttemptStarted("r1", 1))
    call = ToolCall("1", "click")
    for x in (
        inp.Opened("workspace", "s1", ()),
        inp.Began({}, (("task", Message.say("user", "tidy")),)),
        inp.TurnCleared(Hold(10, 5), "d", ("run:r1", "day:d")),
        inp.Answered(Answer((call,))),
        inp.Judged("c1.1", Judgement("allow", proposal(call), rule=rule), "A-1", FAR),
    ):
        apply(s, x)
    told = apply(s, inp.Lost("the engine stopped"))
    assert isinstance(at.pending(s), at.RaiseDoubt) is asked
    assert any(isinstance(e, ev.ToolFinished) and "unknown" in e.text for e in told) is not asked
