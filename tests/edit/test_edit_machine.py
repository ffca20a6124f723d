"""Editing in the attempt machine: what runs is what was approved last, under random edits, decisions and crashes."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from harness_tui.domain import attempt as at
from harness_tui.domain import events as ev
from harness_tui.domain import inputs as inp
from harness_tui.domain.approval import Judgement, Proposal, action_digest, full_digest
from harness_tui.domain.ledger import Hold
from harness_tui.domain.messages import Answer, Message, ToolCall, ToolResult
from harness_tui.domain.seams import Interlude, ToolOutcome

FAR = 10**15
ARGUMENTS = st.sampled_from([{"n": 1}, {"n": 2}, {}])


def proposal(arguments: dict[str, Any], session: str = "s", target: str = "x") -> Proposal:
    return Proposal("click", arguments, "destructive", "high", "click", (ev.Fact("target", target),), session)


class Machine:
    """Attempts of one run, as its driver would go through them; `log` is what a journal would hold of the newest."""

    def __init__(self, *, restart: bool, arguments: dict[str, Any]) -> None:
        self.restart = restart
        self.asks = arguments
        self.number = 0
        self.approvals = 0
        self.log: list[ev.Event] = []
        self.past: list[tuple[str, ev.Event]] = []
        self.begin(())

    @property
    def session(self) -> str:
        return f"s{self.number}" if self.restart else "s"

    def begin(self, carried: tuple[Any, ...]) -> None:
        self.number += 1
        self.state = at.AttemptState(f"r1/{self.number}", restart=self.restart)
        self.log = []
        self.note(ev.AttemptStarted("r1", self.number, {}, carried))

    def note(self, event: ev.Event) -> None:
        at.evolve(self.state, event)
        self.log.append(event)
        self.past.append((self.state.uid, event))

    def put(self, x: inp.Input) -> list[ev.Event]:
        events = at.decide(self.state, x)
        for event in events:
            self.note(event)
        return events

    def crash(self) -> None:
        """Only the log is left; the world did not survive."""
        folded = at.AttemptState(self.state.uid, restart=self.restart)
        for event in self.log:
            at.evolve(folded, event)
        assert folded == self.state
        self.state = folded
        self.put(inp.Lost("the engine stopped", self.state.hold))

    def fresh(self) -> str:
        self.approvals += 1
        return f"A-{self.approvals}"

    def until_asked(self) -> str:
        """Go on, in a world that never changes, to the next request; "" when the attempt is over."""
        for _ in range(30):
            effect = at.pending(self.state)
            match effect:
                case at.AwaitDecision(approval):
                    return approval
                case None | at.Finish():
                    return ""
            self.step(effect)
        raise AssertionError("it never came to an end")

    def step(self, effect: at.Effect | None) -> None:
        match effect:
            case at.Open():
                self.put(inp.Opened("browser", self.session, ()))
            case at.Begin():
                self.put(inp.Began({}, (("task", Message.say("user", "vote")),)))
            case at.ClearTurn():
                self.put(inp.TurnCleared(Hold(10, 5), "d", ("run:r1",)))
            case at.AskModel() if self.state.done:
                self.put(inp.TurnStopped("goal", "done"))
            case at.AskModel():
                self.put(inp.Answered(Answer((ToolCall("1", "click", self.asks),))))
            case at.Judge(calls):
                word = Judgement("ask", proposal(calls[0].call.arguments, self.session))
                self.put(inp.Judged(calls[0].id, word, self.fresh(), FAR))
            case at.Perform(calls):
                self.put(inp.Performed((inp.Result(calls[0].id, ToolOutcome(True, "clicked")),)))
            case at.RaiseDoubt(call):
                self.put(inp.Doubted(call.id, self.fresh()))
            case at.Sense():
                self.put(inp.Sensed(Interlude()))
            case at.Verify():
                self.put(inp.Failed("nothing to verify", 1))
            case _:
                raise AssertionError(effect)

    def edit(self, approval: str, arguments: dict[str, Any], digest: str = "") -> list[ev.Event]:
        new = proposal(arguments, self.state.session)
        shown = digest or self.state.requests[approval].digest
        return self.put(inp.Edited(approval, shown, "ops", new, action_digest(new)))

    def decide(self, approval: str, word: Any = "approved", digest: str = "") -> list[ev.Event]:
        return self.put(inp.Decided(approval, word, "ops", digest or self.state.requests[approval].digest))


def asked(*, restart: bool = False, arguments: dict[str, Any] | None = None) -> tuple[Machine, str]:
    machine = Machine(restart=restart, arguments=arguments or {"n": 1})
    return machine, machine.until_asked()


def test_an_edit_waits_on_under_its_own_digest_and_then_runs_instead_of_the_original() -> None:
    m, approval = asked()
    old = m.state.requests[approval]
    (edited,) = m.edit(approval, {"n": 2})
    assert isinstance(edited, ev.ApprovalEdited) and (edited.by, edited.arguments) == ("ops", {"n": 2})
    assert edited.digest == full_digest(proposal({"n": 2}), "r1/1", old.expires) != old.digest
    assert at.pending(m.state) == at.AwaitDecision(approval, FAR)
    assert m.decide(approval, digest=old.digest) == [], "what was shown before is not what would run"
    m.decide(approval)
    (judge,) = [at.pending(m.state)]
    assert isinstance(judge, at.Judge) and judge.calls[0].call.arguments == {"n": 2}
    m.step(judge)
    (started,) = m.state.started.values()
    assert (started.arguments, started.digest, started.approval) == ({"n": 2}, edited.digest, approval)
    m.step(at.pending(m.state))
    assert m.state.done[-1].arguments == {"n": 2}
    (told,) = [p.text for message in m.state.messages for p in message.parts if isinstance(p, ToolResult)]
    assert told == 'The operator changed the arguments of this call to {"n":2}. What follows is about that.\nclicked'
    (said,) = [message for message in m.state.messages if message.calls]
    assert said.calls[0].arguments == {"n": 1}, "what the model said stays what it said"


def test_what_an_edit_took_out_is_told_and_nothing_is_told_of_one_that_went_back() -> None:
    m, approval = asked(arguments={"n": 1, "m": 2})
    m.edit(approval, {"n": 1})
    m.decide(approval)
    m.step(at.pending(m.state))
    m.step(at.pending(m.state))
    assert "to {}, and took out m. What follows" in m.state.last_result
    m, approval = asked()
    first = m.state.requests[approval].digest
    m.edit(approval, {"n": 2})
    assert len(m.edit(approval, {"n": 1})) == 1, "back to the original is an edit as well"
    assert m.state.requests[approval].digest == first, "the same action, session and expiry: the same digest"
    m.decide(approval)
    m.step(at.pending(m.state))
    assert m.state.started["c1.1"].arguments is None
    m.step(at.pending(m.state))
    assert m.state.last_result == "clicked"


def test_a_denied_edit_is_the_end_of_the_original_as_well() -> None:
    m, approval = asked()
    m.edit(approval, {"n": 2})
    m.decide(approval, "denied")
    for _ in range(4):
        m.step(at.pending(m.state))
    assert isinstance(m.log[-1], ev.ToolRefused) and "not asked again" in m.log[-1].text


def test_an_edit_that_comes_second_changes_nothing() -> None:
    m, approval = asked()
    shown = m.state.requests[approval].digest
    assert m.edit(approval, {"n": 2})
    assert m.edit(approval, {"n": 3}, shown) == []
    m.decide(approval)
    assert m.edit(approval, {"n": 3}) == [] and m.decide(approval, "denied") == []
    assert m.edit("A-9", {"n": 3}, "x") == []


def test_when_the_world_changed_what_is_asked_for_anew_is_the_edit_not_the_original() -> None:
    m, approval = asked()
    m.edit(approval, {"n": 2})
    m.decide(approval)
    moved = Judgement("ask", proposal({"n": 2}, target="another arrow"))
    events = m.put(inp.Judged("c1.1", moved, "A-7", FAR))
    assert [type(e) for e in events] == [ev.ApprovalWithdrawn, ev.ApprovalRequested]
    assert isinstance(events[1], ev.ApprovalRequested)
    assert (events[1].arguments, events[1].why) == ({"n": 2}, "its arguments are those ops gave it")
    m.decide("A-7")
    m.put(inp.Judged("c1.1", Judgement("refuse", reason="no more"), "A-8", FAR))
    assert m.state.last_result.endswith("What follows is about that.\nno more")


def test_an_edit_approved_without_a_world_is_told_to_the_next_attempt_and_spent_on_nothing_else() -> None:
    for asks, expected in (({"n": 2}, [ev.ToolStarted]), ({"n": 1}, [ev.ApprovalWithdrawn, ev.ApprovalRequested])):
        m, approval = asked(restart=True)
        m.edit(approval, {"n": 2})
        m.crash()
        m.decide(approval)
        assert isinstance(at.pending(m.state), at.Finish)
        carried = at.carry(m.state)
        m.asks = asks
        m.begin(carried)
        while not isinstance(effect := at.pending(m.state), at.Judge):
            m.step(effect)
        told = [message.text for message in m.state.messages if "approved it so" in message.text]
        assert len(told) == 1 and 'click {"n":2}' in told[0]
        before = len(m.log)
        m.step(effect)
        assert [type(event) for event in m.log[before:]] == expected
        assert not m.state.carried


def test_an_edited_effect_in_doubt_is_the_edited_one() -> None:
    m, approval = asked(restart=True)
    m.edit(approval, {"n": 2})
    m.decide(approval)
    m.step(at.pending(m.state))
    m.crash()
    doubt = m.until_asked()
    request = m.state.requests[doubt]
    assert (request.kind, request.arguments) == ("in_doubt", {"n": 2})
    assert request.action == action_digest(proposal({"n": 2}))
    m.put(inp.Resolved(doubt, "again", "ops"))
    assert [(c.action, c.arguments) for c in at.carry(m.state)] == [(request.action, {"n": 2})]


CRASH = st.sampled_from([False] * 9 + [True])
STEP = st.sampled_from(["edit", "edit", "edit", "stale edit", "approve", "approve", "stale", "deny", "crash", "crash"])


@settings(max_examples=400)
@given(st.data(), st.booleans(), ARGUMENTS)
def test_nothing_runs_that_was_not_approved_as_it_runs(
    data: st.DataObject, restart: bool, first: dict[str, Any]
) -> None:
    m = Machine(restart=restart, arguments=first)
    shown: list[str] = ["0" * 64]
    for _ in range(60):
        effect = at.pending(m.state)
        if isinstance(effect, at.Finish) and effect.interrupted:
            carried = at.carry(m.state)
            m.put(inp.Ended(True, effect.reason))
            m.asks = data.draw(ARGUMENTS)
            m.begin(carried)
            continue
        if effect is None or isinstance(effect, at.Finish):
            break
        if not isinstance(effect, at.AwaitDecision):
            m.crash() if m.state.world == "open" and data.draw(CRASH) else m.step(effect)
            continue
        request = m.state.requests[effect.approval]
        shown.append(request.digest)
        if request.kind == "in_doubt":
            m.put(inp.Resolved(effect.approval, data.draw(st.sampled_from(["happened", "did_not", "again"])), "ops"))
            continue
        match data.draw(STEP):
            case "edit":
                m.edit(effect.approval, data.draw(ARGUMENTS))
            case "stale edit":
                was = data.draw(st.sampled_from(shown))
                assert bool(m.edit(effect.approval, data.draw(ARGUMENTS), was)) == (was == request.digest)
            case "approve":
                assert m.decide(effect.approval)
            case "stale":
                was = data.draw(st.sampled_from(shown))
                assert bool(m.decide(effect.approval, digest=was)) == (was == request.digest)
            case "deny":
                m.decide(effect.approval, "denied")
            case "crash":
                m.crash()
    _check(m)


def _check(m: Machine) -> None:
    """Each start stands on an approval nobody used before, given under a digest of exactly what starts."""
    actions: dict[str, str] = {}
    shown: dict[str, str] = {}
    approved: dict[str, str] = {}
    for uid, event in m.past:
        match event:
            case ev.ApprovalRequested(id=ident) | ev.ApprovalEdited(id=ident):
                assert ident not in approved
                actions[ident], shown[ident] = event.action, event.digest
            case ev.ApprovalDecided(ident, "approved", digest=digest):
                assert digest == shown[ident], "a decision that names something else than what is shown"
                approved[ident] = actions[ident]
            case ev.ApprovalResolved(ident, "again"):
                approved[ident] = actions[ident]
            case ev.ApprovalWithdrawn(ident):
                approved.pop(ident, None)
            case ev.ToolStarted(call, arguments=arguments, approval=ident):
                ran = _model_asked(m, uid, call) if arguments is None else arguments
                assert approved.pop(ident) == action_digest(proposal(ran))


def _model_asked(m: Machine, attempt: str, call: str) -> dict[str, Any]:
    turn, _, number = call.removeprefix("c").partition(".")
    answers = [e for uid, e in m.past if uid == attempt and isinstance(e, ev.ModelAnswered)]
    part = answers[int(turn) - 1].parts[int(number) - 1]
    assert isinstance(part, ToolCall)
    return part.arguments
