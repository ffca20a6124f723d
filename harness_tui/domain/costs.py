"""What was spent, in sums: cost reports over runs in any grouping, and the budget that holds today."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import msgspec

from .messages import Mark
from .money import weakest
from .views import BudgetRow, HoldRow, RunRow, Share


class Cost(msgspec.Struct):
    """One group of a report.

    Attributes:
        usd: nano-dollars known; `mark` says how sure they are.
    """

    name: str
    calls: int = 0
    tokens: int = 0
    usd: int = 0
    mark: Mark = "reported"

    @property
    def money(self) -> int | None:
        """Nano-dollars spent; None when the price of a part is unknown."""
        return None if self.mark == "unknown" else self.usd


def costs(runs: Iterable[RunRow], group: Callable[[RunRow, str], str]) -> list[Cost]:
    """Sums over root runs, dearest group first, by money and then by tokens.

    Args:
        group: the name of the group that a run's share of one model belongs to.
    """
    groups: dict[str, Cost] = {}
    for run in runs:
        for model, share in _shares(run).items():
            name = group(run, model)
            cost = groups.setdefault(name, Cost(name))
            cost.calls, cost.tokens, cost.usd = (
                cost.calls + share.calls,
                cost.tokens + share.tokens,
                cost.usd + share.usd,
            )
            cost.mark = weakest((cost.mark, share.mark))
    return sorted(groups.values(), key=lambda cost: (-cost.usd, -cost.tokens, cost.name))


def _shares(run: RunRow) -> dict[str, Share]:
    """What each model took of a run; logs of the first version did not tell, and had one model a run."""
    if run.models or not run.usage.total:
        return run.models
    return {run.model: Share(run.iterations, run.usage.total, run.usd, run.mark)}


def held(budget: BudgetRow, holds: Iterable[HoldRow]) -> int | None:
    """Nano-dollars that calls under way may cost; None when one of them has no known price."""
    unknown = any(hold.usd is None and budget.scope in hold.scopes for hold in holds)
    return None if unknown else budget.usd_held


def today(budgets: Mapping[str, BudgetRow], day: str) -> BudgetRow | None:
    """The row of a day (ISO date); before its first call the limits that will hold, None when there are none."""
    row, limits = budgets.get(f"day:{day}"), budgets.get("day")
    if row is None and limits is not None:
        return BudgetRow(f"day:{day}", limits.limit, usd_limit=limits.usd_limit, by=limits.by)
    return row
