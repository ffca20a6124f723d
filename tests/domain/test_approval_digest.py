"""What was approved is what runs: any difference between shown and run changes the digest."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from harness_tui.domain.approval import Proposal, action_digest, full_digest, names
from harness_tui.domain.events import Fact

text = st.text(max_size=12)
proposals = st.builds(
    Proposal,
    tool=text,
    arguments=st.dictionaries(text, st.one_of(text, st.integers(-9, 9), st.booleans()), max_size=3),
    risk_class=st.sampled_from(["destructive", "network"]),
    risk=st.sampled_from(["low", "high"]),
    summary=text,
    facts=st.lists(st.builds(Fact, text, text), max_size=4).map(tuple),
    session=text,
)


@settings(max_examples=150, deadline=None)
@given(proposals, proposals, st.integers(0, 5), st.integers(0, 5))
def test_no_mutated_pair_shares_a_digest(shown: Proposal, run: Proposal, expires: int, later: int) -> None:
    what = (shown.tool, shown.arguments, shown.risk_class, shown.risk, shown.facts)
    same = what == (run.tool, run.arguments, run.risk_class, run.risk, run.facts)
    # True == 1 in Python but not in what would run.
    same = same and repr(shown.arguments) == repr({k: run.arguments[k] for k in shown.arguments})
    bound = same and shown.session == run.session and expires == later
    assert (action_digest(shown) == action_digest(run)) == same
    assert (full_digest(shown, "r1/1", expires) == full_digest(run, "r1/1", later)) == bound
    assert full_digest(shown, "r1/1", expires) != full_digest(shown, "r1/2", expires)


def test_ten_thousand_single_mutations_are_all_seen() -> None:
    random = Random(7)
    shown = Proposal("browser_click", {"selector": "#up_1"}, "destructive", "high", "click", FACTS, "s")
    digest = full_digest(shown, "r1/1", 5)
    for _ in range(10_000):
        assert full_digest(*mutated(shown, random)) != digest


FACTS = (Fact("page", "http://127.0.0.1/news"), Fact("sends", "GET http://127.0.0.1/vote?id=1&how=up"))


def mutated(shown: Proposal, random: Random) -> tuple[Proposal, str, int]:
    """The proposal, run and expiry with exactly one character or value changed."""
    facts = [list(f) for f in ((f.label, f.value) for f in shown.facts)]
    field = random.choice(["tool", "argument", "class", "fact", "order", "drop", "session", "run", "expires"])
    extra = chr(random.randrange(32, 0x3000))
    changed = {
        "tool": lambda: replace(shown, tool=shown.tool + extra),
        "argument": lambda: replace(shown, arguments={"selector": f"#up_1{extra}"}),
        "class": lambda: replace(shown, risk_class="network"),
        "order": lambda: replace(shown, facts=shown.facts[::-1]),
        "drop": lambda: replace(shown, facts=shown.facts[:1]),
        "session": lambda: replace(shown, session=extra),
    }.get(field)
    if changed:
        return changed(), "r1/1", 5
    if field == "fact":
        line, part = random.randrange(2), random.randrange(2)
        at = random.randrange(len(facts[line][part]) + 1)
        facts[line][part] = facts[line][part][:at] + extra + facts[line][part][at:]
        return replace(shown, facts=tuple(Fact(*f) for f in facts)), "r1/1", 5
    return (shown, f"r1/{random.randrange(2, 99)}", 5) if field == "run" else (shown, "r1/1", random.randrange(6, 99))


@given(proposals)
def test_a_digest_is_named_by_twelve_digits_of_itself_only(proposal: Proposal) -> None:
    digest = full_digest(proposal, "r1/1", 0)
    assert names(digest, digest[:12])
    assert names(digest, digest.upper())
    assert not names(digest, digest[:11])
    assert not names(digest, "")
    assert not names(digest, ("0" if digest[0] != "0" else "1") + digest[1:])
