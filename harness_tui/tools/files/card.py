"""What an operator is shown of a change, and what its approval binds: the whole diff, and both contents by digest."""

from __future__ import annotations

from typing import Literal, NamedTuple

from ...domain.events import Fact
from ...domain.task import Level
from .change import Change, digest

MAX_DIFF = 256 * 1024
"""Bytes of a diff that an operator can be asked to read."""


class Card(NamedTuple):
    """Facts and risk of a proposal.

    Attributes:
        told: lines added and removed, for a summary.
        refusal: why nobody can be asked, or "".
    """

    facts: list[Fact]
    risk: Literal["med", "high"]
    told: str = ""
    refusal: str = ""


def carded(change: Change, level: Level) -> Card:
    """A change is med as long as it can be undone from the diff that the log keeps."""
    facts = [Fact("path", change.path)]
    if change.real != change.path:
        facts.append(Fact("really", change.real))
    if change.after is None:
        return Card([*facts, Fact("changes", f"nothing: {change.problem}")], "med")
    diff = change.diff
    told = f"(+{diff.added} -{diff.removed})"
    long = len(diff.text.encode())
    facts += [
        Fact("was", digest(change.before) or "absent"),
        Fact("becomes", digest(change.after)),
        Fact("bytes", f"{len(change.after)}, was {len(change.before or b'')}"),
        Fact("diff", diff.text if long <= MAX_DIFF else f"{told}, too long to be shown"),
    ]
    if long <= MAX_DIFF:
        return Card(facts, "med" if change.undone_by_diff else "high", told)
    refusal = f"The change of {change.path} is {long} bytes long, and at most {MAX_DIFF} can be shown for approval."
    return Card(facts, "high", told, f"{refusal} Make it in several calls." if level == "L2" else "")
