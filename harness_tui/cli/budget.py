"""`harness-tui budget`: what was spent and is held, when a limit is reached, what each run and model cost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from . import output
from .output import Format, format_option

if TYPE_CHECKING:
    from ..domain.costs import Cost
    from ..domain.views import BudgetRow, RunRow
    from ..port.snapshot import Snapshot

EVERY_RUN = 1_000_000_000
NARROW = 80
"""Cells of a terminal that is not asked for its width: nothing is ever wider than this without one."""


@click.group()
def budget() -> None:
    """Show what is spent and left; set limits."""


@budget.command()
@click.option(
    "--by",
    type=click.Choice(["scope", "run", "model", "day"]),
    default="scope",
    help="scope: limits of today and of open runs (default). run, model, day (a run began): what all stored runs cost.",
)
@format_option
def show(by: str, output_format: Format) -> None:
    """Show budgets, or what runs cost.

    Money is null (json) or "unknown" where a price is missing, never zero.
    """
    if by == "scope":
        _show_scopes(output_format)
    else:
        _show_costs(by, output_format)


# -- budgets ---------------------------------------------------------------------------------------------------------


def _show_scopes(output_format: Format) -> None:
    from ..clients.read import reading
    from ..config.paths import Paths

    with reading(Paths.default()) as source:
        snapshot = source.snapshot()
    rows = _watched(snapshot)
    if output_format is not Format.text:
        output.emit([_of_budget(row, snapshot) for row in rows])
    elif rows:
        _print([_told(row, snapshot) for row in rows], _DROPPED)
    else:
        output.tell(
            "No spend today, no limit for each day, and no open run. Set one: harness-tui budget set day --usd 20"
        )


def _watched(snapshot: Snapshot) -> list[BudgetRow]:
    """Today's budget, then those of open runs, newest first."""
    import datetime

    from ..domain.costs import today

    budgets = {row.scope: row for row in snapshot.budgets}
    day = today(budgets, datetime.date.today().isoformat())
    runs = sorted((run for run in snapshot.runs if run.open and run.kind != "attempt"), key=lambda run: -run.started)
    rows = [day, *(budgets.get(f"run:{run.id}") for run in runs)]
    return [row for row in rows if row is not None]


def _of_budget(row: BudgetRow, snapshot: Snapshot) -> dict[str, Any]:
    from ..domain.costs import held
    from ..domain.forecast import forecast
    from ..domain.money import to_usd

    seen = forecast(row, snapshot.at, snapshot.runs)
    return {
        "scope": row.scope,
        "tokens": {"spent": row.spent, "held": row.held, "limit": row.limit or None},
        "usd": {
            "spent": to_usd(row.money),
            "held": to_usd(held(row, snapshot.holds)),
            "limit": to_usd(row.usd_limit),
        },
        "mark": row.mark,
        "pace": {"tokens_hour": seen.tokens_hour, "usd_hour": to_usd(seen.usd_hour)},
        "out_at": output.stamp(seen.at),
        "runs_left": seen.runs,
        "set_by": row.by or None,
    }


_DROPPED = ("mark", "pace", "tok held", "$ held")
"""Columns that go first, in this order, where there is no room for all."""


def _told(row: BudgetRow, snapshot: Snapshot) -> dict[str, str]:
    """One line of the table, by column."""
    from ..domain.costs import held
    from ..domain.forecast import forecast, words
    from ..domain.money import dollars

    seen = forecast(row, snapshot.at, snapshot.runs)
    kind, _, name = row.scope.partition(":")
    pace = [
        f"{_count(seen.tokens_hour)} tok" if seen.tokens_hour else "",
        dollars(seen.usd_hour) if seen.usd_hour else "",
    ]
    usd_held = held(row, snapshot.holds)
    return {
        "scope": "today" if kind == "day" else name,
        "tok": _count(row.spent),
        "tok held": _count(row.held),
        "tok limit": _count(row.limit) if row.limit else "-",
        "$": dollars(row.money, row.mark) if row.spent else "-",
        "$ held": dollars(usd_held) if row.held else "-",
        "$ limit": "-" if row.usd_limit is None else dollars(row.usd_limit),
        "mark": row.mark if row.spent else "-",
        "pace": f"{' '.join(filter(None, pace))}/h" if any(pace) else "-",
        "forecast": words(seen, snapshot.at, _minute(seen.at)) or "-",
    }


def _minute(at: int) -> str:
    """`14:20`, with the day when it is not today."""
    import datetime

    moment = datetime.datetime.fromtimestamp(at / 1_000_000)
    return moment.strftime("%H:%M" if moment.date() == datetime.date.today() else "%Y-%m-%d %H:%M")


# -- cost reports ----------------------------------------------------------------------------------------------------


def _show_costs(by: str, output_format: Format) -> None:
    """Read from the journal itself, with or without an engine: an engine keeps only its newest runs at hand."""
    from ..clients.offline import Archive
    from ..config.paths import Paths
    from ..domain.costs import costs

    with Archive(Paths.default()) as journal:
        found = costs(journal.runs(EVERY_RUN), _GROUPS[by])
    if output_format is not Format.text:
        output.emit([_of_cost(by, cost) for cost in found])
    elif found:
        _print([_told_cost(by, cost) for cost in found], ())
    else:
        output.tell("Nothing was spent yet: no run has asked a model.")


def _day(run: RunRow, _model: str) -> str:
    import datetime

    return datetime.datetime.fromtimestamp(run.started / 1_000_000).date().isoformat()


_GROUPS: dict[str, Callable[[RunRow, str], str]] = {
    "run": lambda run, _model: run.id,
    "model": lambda _run, model: model,
    "day": _day,
}


def _of_cost(by: str, cost: Cost) -> dict[str, Any]:
    from ..domain.money import to_usd

    return {by: cost.name, "calls": cost.calls, "tokens": cost.tokens, "usd": to_usd(cost.money), "mark": cost.mark}


def _told_cost(by: str, cost: Cost) -> dict[str, str]:
    from ..domain.money import dollars

    return {
        by: cost.name,
        "calls": f"{cost.calls:,}",
        "tok": f"{cost.tokens:,}",
        "$": dollars(cost.money, cost.mark),
        "mark": cost.mark,
    }


def _count(tokens: int) -> str:
    return f"{tokens:,}"


def _print(rows: Sequence[dict[str, str]], dropped: Iterable[str]) -> None:
    """A table in the terminal's width: columns of `dropped` go whole, in order, until the rest fits."""
    import shutil

    room = shutil.get_terminal_size((NARROW, 24)).columns
    columns = list(rows[0])
    for name in dropped:
        if sum(max(len(name), *(len(row[name]) for row in rows)) + 2 for name in columns) - 2 > room:
            columns.remove(name)
    output.table([name.upper() for name in columns], ([row[name] for name in columns] for row in rows))


# -- limits ----------------------------------------------------------------------------------------------------------


@budget.command("set")
@click.argument("scope", metavar="day|RUN")
@click.option("--tokens", default="", metavar="N", help="Limit in tokens: 200000, 100k, 1.5M.")
@click.option("--usd", default="", metavar="X", help="Limit in dollars: 20, 2.50.")
@click.option("--no-limit", is_flag=True, help="Drop the limits that are not given here.")
@format_option
def set_limits(scope: str, tokens: str, usd: str, no_limit: bool, output_format: Format) -> None:
    """Limit each day, or an open run.

    What is not given stays as it is. What is spent already counts.
    """
    from ..clients.read import reading
    from ..config.paths import Paths
    from ..domain import amounts
    from ..domain.errors import UsageError
    from ..port.commands import SetBudget
    from . import link

    if not (tokens or usd or no_limit):
        raise UsageError("Give --tokens N, --usd X, or --no-limit.")
    given_tokens = amounts.tokens(tokens) if tokens else None
    given_usd = amounts.dollars(usd) if usd else None
    with reading(Paths.default()) as source:
        limits = _limits_of(source.snapshot(), scope)
    if no_limit:
        wish = SetBudget(limits.scope, given_tokens or 0, given_usd, link.operator())
    else:
        wish = SetBudget(
            limits.scope,
            limits.limit if given_tokens is None else given_tokens,
            limits.usd_limit if given_usd is None else given_usd,
            link.operator(),
        )
    link.send(wish, output_format)


def _limits_of(snapshot: Snapshot, scope: str) -> BudgetRow:
    """The limits as they are; whether there is such a run is for the engine to say."""
    from ..domain.events import root_of
    from ..domain.views import BudgetRow

    name = "day" if scope == "day" else f"run:{root_of(scope)}"
    return next((row for row in snapshot.budgets if row.scope == name), BudgetRow(name))
