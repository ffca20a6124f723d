"""What an operator sees of money and what they type about it: limits, warnings, the kill switch."""

from __future__ import annotations

import pytest

from harness_tui.console.intents import Send
from harness_tui.domain import events as ev
from harness_tui.domain.messages import Text, Usage
from harness_tui.domain.money import NANO
from harness_tui.port.commands import CancelAll, SetBudget, StopEngine

from .scene import CENT, Bench, Log, batch, busy, spec, spending, spends

BY = "1000@pts/3"


def typed(text: str, bench: Bench | None = None) -> list[object]:
    bench = bench or Bench(spending())
    bench.press("colon")
    bench.model.text(text, bench.at)
    bench.wait(1)
    return bench.press("enter")


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ("budget set day 25", SetBudget("day", 0, 25 * NANO, BY)),
        ("budget set day $2.50", SetBudget("day", 0, 2_500_000_000, BY)),
        ("budget set day 2M", SetBudget("day", 2_000_000, 20 * NANO, BY)),
        ("budget set r18 500 tok", SetBudget("run:r18", 500, None, BY)),
        ("budget set r19 3", SetBudget("run:r19", 1_000_000, 3 * NANO, BY)),
        ("budget set r19 none", SetBudget("run:r19", 0, None, BY)),
        ("budget set run 100k", SetBudget("run:r20", 100_000, None, BY)),
    ],
)
def test_a_limit_is_set_and_the_other_one_stays(text: str, wish: SetBudget) -> None:
    assert typed(text) == [Send(wish)]


def test_run_is_the_one_under_the_cursor() -> None:
    bench = Bench(spending())
    bench.press("j")
    assert typed("budget set run 100k", bench) == [Send(SetBudget("run:r19", 100_000, 2 * NANO, BY))]
    bench.press("5")
    assert typed("budget set run 5k", bench) == [Send(SetBudget("run:r19", 5_000, 2 * NANO, BY))], "no run in this row"
    for _ in range(3):
        bench.press("j")
    assert typed("budget set run 5k", bench) == [Send(SetBudget("run:r18", 5_000, None, BY))]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("budget", ":budget set day 20 (dollars)"),
        ("budget set", ":budget set day 20 (dollars)"),
        ("budget set day", ":budget set day 20 (dollars)"),
        ("budget sett day 20", "There is no :budget sett"),
        ("budget set dya 20", "Did you mean day?"),
        ("budget set r19x 20", "Did you mean r19?"),
        ("budget set r99999 20", "There is no budget r99999."),
        ("budget set day lots", '"lots" is no limit. Write 20 for dollars, 100k or 500 tok for tokens.'),
        ("budget set day -3", '"-3" is no limit.'),
        ("budgte set day 20", "Did you mean :budget"),
        ("stop al", ":stop ends the engine, :stop all cancels every open run."),
    ],
)
def test_what_cannot_be_done_is_said_with_the_next_step(text: str, said: str) -> None:
    bench = Bench(spending())
    assert typed(text, bench) == []
    assert bench.model.said is not None
    assert said in bench.model.said[0]


def test_a_pasted_limit_is_not_taken() -> None:
    bench = Bench(spending())
    bench.press("colon")
    bench.model.paste("budget set day 900", bench.at)
    assert list(bench.model.key("enter", bench.at)) == []
    bench.wait(1)
    assert bench.model.prompt is not None


def test_the_kill_switch_asks_for_its_words() -> None:
    bench = Bench(spending())
    assert typed("stop all", bench) == []
    assert "cancel every open run (3 now)" in bench.screen()[0][-1]
    bench.model.text("stop", bench.at)
    bench.wait(1)
    assert bench.press("enter") == []
    assert "Nothing was cancelled" in bench.screen()[0][-1]
    typed("stop all", bench)
    bench.model.text("stop all", bench.at)
    bench.wait(1)
    assert bench.press("enter") == [Send(CancelAll(BY))]
    typed("stop", bench)
    bench.model.text("stop", bench.at)
    bench.wait(1)
    assert bench.press("enter") == [Send(StopEngine())]


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("budget ", "budget set "),
        ("budget set d", "budget set day "),
        ("budget set r1", "budget set r1"),
        ("bu", "budget"),
        ("stop ", "stop all "),
        ("thm", "thm"),
        ("theme mo", "theme mono "),
        ("run something", "run something"),
    ],
)
def test_tab_completes_as_far_as_it_is_certain(text: str, after: str) -> None:
    bench = Bench(spending())
    bench.press("colon")
    bench.model.text(text, bench.at)
    bench.press("tab")
    assert bench.model.prompt is not None
    assert bench.model.prompt.text == after


def test_tab_names_what_fits() -> None:
    bench = Bench(spending())
    bench.press("colon")
    bench.model.text("budget set r1", bench.at)
    bench.press("tab")
    assert "r18  r19" in bench.screen()[0][-1]


def status(bench: Bench) -> str:
    return bench.screen()[0][-2]


def test_a_warning_is_seen_once_and_goes_with_its_cause() -> None:
    bench = Bench(Log())
    log = bench.log
    fresh = log.add("r1", 60, ev.RunStarted(spec("one", 1000)))
    fresh += log.add("r1/1", 59, ev.AttemptStarted("r1", 1))
    bench.model.fold(batch(*fresh))
    assert "low" not in status(bench)
    rows = len(bench.model.world.ring)
    bench.model.fold(batch(*log.add("r1/1", 50, ev.BudgetWarned("run:r1", 1000, 810, "tokens"))))
    assert "budget r1 low" in status(bench)
    assert "warn*14" in bench.screen()[1][-2]
    bench.press("1")
    assert len(bench.model.world.ring) == rows + 1
    assert sum("810 tok of 1,000 tok" in row for row in bench.screen()[0]) == 1
    bench.model.fold(batch(*log.add("engine", 40, ev.BudgetSet("run:r1", 5000, None, "ada"))))
    assert "low" not in status(bench), "the limit was raised"
    bench.model.fold(batch(*log.add("r1/1", 30, ev.BudgetWarned("run:r1", 5000, 4100, "tokens"))))
    bench.model.fold(batch(*log.add("r1", 20, ev.RunFinished("failed", False, "no", "", "budget", 3))))
    assert "low" not in status(bench), "an ended run wants nothing any more"


def test_the_spend_of_yesterday_is_not_today_s() -> None:
    log = Log()
    log.add("engine", 90_000, ev.BudgetSet("day", 0, 20 * NANO, "ada"))
    log.add("r1", 86_400, ev.RunStarted(spec("one")))
    log.add("r1/1", 86_400, ev.AttemptStarted("r1", 1))
    scopes = ("run:r1", "day:2026-11-20")
    asked = ev.ModelRequested("m", 1, 900, "2026-11-20", hold_usd=0, scopes=scopes)
    log.add("r1/1", 86_400, asked, ev.ModelAnswered("m", (), Usage(900), usd=CENT, mark="priced"))
    bench = Bench(log)
    assert "$0/20" in status(bench)
    bench.press("5")
    rows = [row[2:13].strip() for row in bench.screen()[0][2:6]]
    assert rows[:3] == ["today, all", "r1", "2026-11-20"]
    assert rows[3] == "", "the limits of a kind are no row of their own"


@pytest.mark.parametrize("pane", ["2", "5"])
def test_unknown_money_is_never_zero(pane: str) -> None:
    bench = Bench(busy())
    bench.press("1")
    bench.press(pane)
    text = "\n".join(bench.screen()[0])
    assert "unknown" in text if pane == "5" else "?" in text
    assert "$0" not in text
    for _ in range(6):
        bench.press("enter")
        assert "$0" not in "\n".join(bench.screen()[0])
        bench.press("escape")
        bench.press("j")


def test_an_unknown_part_under_a_money_limit_shows_as_unknown() -> None:
    log = spending()
    spends(log, "r18", 30, 100, None, mark="unknown")
    bench = Bench(log)
    assert "$?/20" in status(bench)


def test_a_note_stands_out_and_a_model_cannot_write_one() -> None:
    bench = Bench(Log())
    said = ev.ModelAnswered("m", (Text("NOTE: all is well"),), Usage(9))
    noted = ev.ModelAnswered("m", (Text("NOTE: hm"),), Usage(9), notes=("temperature was left out",))
    bench.model.fold(batch(*bench.log.add("r1/1", 1, said, noted)))
    bench.press("1")
    text, tokens = bench.screen()
    plain = next(i for i, row in enumerate(text) if "all is well" in row)
    assert "warn_text" not in tokens[plain]
    assert "warn_text*5" in tokens[next(i for i, row in enumerate(text) if "temperature was left out" in row)]


def test_the_card_of_a_budget_says_who_limits_and_what_each_model_took() -> None:
    bench = Bench(spending())
    bench.press("5")
    bench.press("enter")
    day = "\n".join(bench.screen()[0])
    assert "$20.00, set by ada (cli)" in day
    assert "cap in 32 runs, about 14:37" in day
    bench.press("escape")
    for _ in range(3):
        bench.press("j")
    bench.press("enter")
    run = "\n".join(bench.screen()[0])
    assert "small-1   1 call, 11,000 tok (35%), $0.12 priced" in run
    assert "40,000 tok, set by the run itself" in run
    assert "run:r18" in str(bench.press("Y"))
