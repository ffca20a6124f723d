"""Reservations never exceed a limit, and what is settled is what was spent."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness_tui.domain.ledger import Granted, Ledger

SCOPES = ("run:r1", "day:d")


@given(st.integers(1, 1000), st.lists(st.tuples(st.integers(1, 400), st.integers(1, 400), st.booleans()), max_size=40))
def test_held_and_spent_stay_within_the_limit(limit: int, calls: list[tuple[int, int, bool]]) -> None:
    ledger = Ledger()
    ledger.limit("run:r1", limit)
    holds: list[int] = []
    for want, least, settle in calls:
        grant = ledger.reserve(SCOPES, max(want, least), least)
        if isinstance(grant, Granted):
            assert least <= grant.tokens <= max(want, least)
            holds.append(grant.tokens)
        else:
            assert grant.scope == "run:r1"
            assert ledger.accounts["run:r1"].left < least
        if settle and holds:
            hold = holds.pop()
            ledger.settle(SCOPES, hold, hold)
        account = ledger.accounts["run:r1"]
        assert account.held + account.spent <= limit
        assert account.held == sum(holds)
        assert ledger.accounts["run:r1"].held == ledger.accounts.get("day:d", account).held


def test_an_overrun_is_booked_in_full() -> None:
    ledger = Ledger()
    ledger.limit("run:r1", 100)
    assert ledger.reserve(SCOPES, 50, 50) == Granted(50)
    ledger.settle(SCOPES, 50, 90)
    assert (ledger.accounts["run:r1"].spent, ledger.accounts["run:r1"].held) == (90, 0)
