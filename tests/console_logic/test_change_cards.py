"""Cards of changes, edits and batches: what they show, and what their keys decide and never decide."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from harness_tui.console import editing
from harness_tui.console.arming import Subject
from harness_tui.console.intents import EditText, SendBatch
from harness_tui.console.panes import diff
from harness_tui.domain import events as ev
from harness_tui.port.commands import Decide, EditApproval

from .changes import ASKED, CALL, DIFF, EDITED, SMALL, Desk, edited_call, edited_change, log, marked, sent, sha
from .scene import batch, request
from .test_screen_texts import check

ME = "1000@pts/3"
SUBJECT = Subject("A-28", ASKED.digest)
SIZES = ((80, 24), (120, 40), (200, 60))


def text(bench: Desk) -> str:
    return "\n".join(bench.screen()[0])


def whole(bench: Desk) -> str:
    """Every row of the card, on screen or not."""
    rows = bench.model.card_rows(bench.model.card_form().width)
    return "\n".join("".join(span.text for span in row.line) for row in rows)


# -- the diff ---------------------------------------------------------------------------------------------------------


def test_every_line_of_a_diff_is_an_item_and_content_is_never_a_header() -> None:
    items = diff.parse(DIFF)
    assert ("-", "-- a line that looks like a header", "del") in items
    assert [item.text for item in items if item.token == "warn_text"] == [
        "old mode 100644  (a plain file)",
        "new mode 100755  (a program)",
        "new file mode 100644  (a plain file)",
        "GIT binary patch: 70 bytes (before: 0 bytes), no text, not shown here",
    ]
    assert sum(item.sign == "+" for item in items) == 35


LINES = st.lists(st.tuples(st.sampled_from(" +-\\@"), st.text(st.characters(exclude_characters="\n"), max_size=50)))


@given(LINES, st.integers(diff.SIDES, 200))
@settings(max_examples=150, deadline=None)
def test_side_by_side_shows_every_line_once_and_in_order(lines: list[tuple[str, str]], width: int) -> None:
    value = "--- a\n+++ b\n@@ -1,99 +1,99 @@\n" + "".join(f"{sign}{rest}\n" for sign, rest in lines)
    items = diff.parse(value)
    laid = diff.lay(items, width, "|")
    shown = [source for each in laid for source in each.sources]
    assert sorted(shown) == list(range(len(items)))
    for sign in "+-":
        mine = [n for n in shown if items[n].sign == sign]
        assert mine == sorted(mine), "neither side is shuffled"
    assert all(each.rows for each in laid)
    for each in laid:
        for row in each.rows:
            assert all(char.isprintable() for span in row for char in span.text)


# -- reading ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_card_of_a_change(width: int, height: int) -> None:
    bench = Desk(log(), width=width, height=height, ascii=width == 80)
    bench.press("4")
    bench.press("4")
    check(f"change-loading-{width}x{height}", bench)
    bench.arm()
    check(f"change-top-{width}x{height}", bench)
    bench.press("space", 0.6)
    check(f"change-scrolled-{width}x{height}", bench)
    bench.read_all()
    bench.arm()
    check(f"change-armed-{width}x{height}", bench)


def test_what_hides_itself_is_seen_and_nothing_is_cut() -> None:
    for width in (80, 120):
        bench = Desk(log(), width=width)
        bench.press("4")
        bench.press("4")
        bench.arm()
        shown = whole(bench)
        assert "\\u202e" in shown
        assert "\\x1b]52;c;" in shown
        assert "notes.txt" in shown
        assert shown.count("new line") == 30
        assert "expires" in shown
        assert "L2 asks for each change" in shown


def test_until_its_diff_is_there_nothing_is_armed_and_nothing_counts_as_seen() -> None:
    bench = Desk(log())
    bench.press("4")
    for _ in range(4):
        bench.draw()
        bench.wait(0.6)
    assert "not armed" in text(bench)
    assert sent(bench.press("d") + bench.press("a")) == []
    bench.serve()
    assert bench.model.unseen() == len(diff.parse(DIFF)) + len(ASKED.facts) + 3


@pytest.mark.parametrize("trouble", ["gone", "other bytes"])
def test_a_diff_that_cannot_be_had_or_does_not_match_is_said_and_decided_by_no_key(trouble: str) -> None:
    bench = Desk(log())
    if trouble == "gone":
        bench.port.down = True
    else:
        bench.port.blobs[sha(DIFF)] = b"diff --git a/x b/x\n"
    bench.arm()
    assert "cannot be had" in text(bench)
    assert "not armed" in text(bench)
    assert [c for key in "adDeb" for c in sent(bench.press(key))] == []
    assert not bench.model.typing
    bench.port = Desk(log()).port
    bench.model.attach(bench.log.snapshot())
    bench.arm()
    assert "cannot be had" not in whole(bench)
    bench.read_all()
    assert sent(bench.press("a")) == [Decide("A-28", ASKED.digest, "approved", ME)]


def test_a_change_is_approved_after_its_last_line_was_shown_and_not_before() -> None:
    for width in (80, 120):
        bench = Desk(log(), width=width)
        bench.press("4")
        bench.press("4")
        bench.arm()
        bench.press("G", 0.6)
        assert sent(bench.press("a")) == []
        bench.press("g", 0.6)
        bench.read_all()
        bench.arm()
        assert sent(bench.press("a")) == [Decide("A-28", ASKED.digest, "approved", ME)]


def test_what_was_seen_side_by_side_was_seen() -> None:
    bench = Desk(log(), width=120)
    bench.press("4")
    bench.press("4")
    bench.arm()
    bench.read_all()
    bench.model.resized(80, 24, bench.at)
    bench.arm()
    assert bench.model.unseen() == 0, "the same lines, in other rows"


def test_a_long_diff_is_laid_out_elsewhere() -> None:
    long = "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -0,0 +1,4000 @@\n" + "".join(f"+line {n}\n" for n in range(4000))
    asked = replace(ASKED, change=replace(ASKED.change, diff=sha(long)))
    story = log(change_asks=False)
    story.add("l3/214", 9, asked)
    bench = Desk(story)
    bench.port.blobs[sha(long)] = long.encode()
    bench.press("4")
    bench.serve()
    assert "on its way" in text(bench)
    assert not bench.model.cards.whole(bench.model.card_form().width)
    bench.arm()
    assert bench.model.unseen() > 4000 - 24
    assert "armed" in text(bench)


# -- push back --------------------------------------------------------------------------------------------------------


def test_push_back_needs_words_and_a_lone_enter() -> None:
    bench = Desk(log())
    bench.arm()
    bench.press("b")
    assert bench.model.typing
    assert sent(bench.press("enter")) == []
    assert bench.model.typing, "no words: it is asked again"
    bench.model.paste("name the issue\n", bench.at)
    assert sent(bench.press("enter", 0.0) + bench.wait(0.5)) == []
    assert sent(bench.press("enter")) == [Decide("A-28", ASKED.digest, "pushed_back", ME, "name the issue")]


def test_only_a_change_is_pushed_back() -> None:
    bench = Desk(log(CALL, change_asks=False))
    bench.arm()
    bench.press("b")
    assert not bench.model.typing
    assert "change of a loop" in text(bench)


@pytest.mark.parametrize(
    ("event", "word"),
    [
        (ev.ApprovalDecided("A-28", "pushed_back", "7@pts/9", ASKED.digest, "name the issue"), "pushed back"),
        (ev.ApprovalDecided("A-28", "denied", "7@pts/9", ASKED.digest), "decided by 7@pts/9"),
        (ev.ApprovalExpired("A-28"), "expired"),
        (ev.ApprovalWithdrawn("A-28", "the loop was removed"), "withdrawn"),
    ],
)
def test_what_became_of_it_elsewhere_is_said_and_keys_are_off(event: ev.Event, word: str) -> None:
    bench = Desk(log())
    bench.arm()
    bench.read_all()
    bench.model.key("a", bench.at)
    bench.model.fold(batch(*bench.log.add("l3/214", 0, event)))
    out = bench.wait(1)
    bench.arm()
    for key in "adDeb":
        out += bench.press(key)
    assert sent(out) == []
    assert word in text(bench)


# -- edit -------------------------------------------------------------------------------------------------------------


def opened(bench: Desk) -> EditText:
    out = bench.press("e")
    assert len(out) == 1
    assert isinstance(out[0], EditText)
    return out[0]


def test_an_editor_gets_the_diff_and_its_text_is_sent_under_the_old_digest() -> None:
    bench = Desk(log())
    bench.arm()
    wish = opened(bench)
    assert wish.text.endswith(DIFF)
    assert wish.suffix == ".diff"
    assert sent(bench.press("a") + bench.press("d")) == [], "while it is out, nothing decides"
    back = editing.back(bench.model, wish.subject, wish.text.replace(DIFF, EDITED))
    assert sent(back) == [EditApproval("A-28", ASKED.digest, ME, diff=EDITED)]
    assert not bench.model.arming.armed, "back from the editor keys are armed anew"


def test_an_unchanged_text_sends_nothing_and_a_wrong_one_is_kept() -> None:
    bench = Desk(log(CALL, change_asks=False))
    bench.arm()
    wish = opened(bench)
    assert editing.back(bench.model, wish.subject, wish.text) == []
    assert "unchanged" in text(bench)
    bench.arm()
    wish = opened(bench)
    assert editing.back(bench.model, wish.subject, '{"command": "npm ci",\n oops}') == []
    assert "Line 2" in text(bench)
    bench.arm()
    assert opened(bench).text == '{"command": "npm ci",\n oops}'


def test_what_was_decided_while_it_was_edited_is_not_sent() -> None:
    bench = Desk(log())
    bench.arm()
    wish = opened(bench)
    bench.model.fold(batch(*bench.log.add("l3/214", 0, ev.ApprovalDecided("A-28", "denied", "x", ASKED.digest))))
    assert editing.back(bench.model, wish.subject, EDITED) == []
    assert "Nothing was sent" in text(bench)


def test_one_argument_is_edited_in_the_card() -> None:
    bench = Desk(log(CALL, change_asks=False))
    bench.arm()
    for typed, expected in (
        ("edit command=npm ci --ignore-scripts", {"command": "npm ci --ignore-scripts", "limit": 300}),
        ("edit limit=60", {"command": "npm ci", "limit": 60}),
    ):
        bench.press("colon")
        bench.model.text(typed, bench.at)
        bench.wait(0.5)
        assert sent(bench.press("enter")) == [EditApproval("A-30", CALL.digest, ME, arguments=expected)]
        bench.model.notice("refused", bad=True)
    for typed in ("edit nothing=1", "edit limit=}", "edit limit", "edit limit=300"):
        bench.press("colon")
        bench.model.text(typed, bench.at)
        bench.wait(0.5)
        assert sent(bench.press("enter")) == [], typed
        assert bench.model.said


def test_an_argument_of_another_digest_than_the_one_shown_is_not_edited() -> None:
    bench = Desk(log(CALL, change_asks=False))
    bench.arm()
    bench.press("colon")
    bench.model.text("edit limit=60", bench.at)
    bench.model.fold(batch(*bench.log.add("r1/1", 0, edited_call())))
    bench.wait(0.5)
    assert sent(bench.press("enter")) == []


def test_tab_completes_an_argument_and_then_its_value() -> None:
    bench = Desk(log(CALL, change_asks=False))
    bench.arm()
    bench.press("colon")
    bench.model.text("edit co", bench.at)
    bench.press("tab")
    assert bench.model.prompt.text == "edit command="
    bench.press("tab")
    assert bench.model.prompt.text == "edit command=npm ci"


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_an_edited_card_shows_both_and_is_armed_anew(width: int, height: int) -> None:
    for name, asked, event, stream in (
        ("change", None, edited_change(), "l3/214"),
        ("call", CALL, edited_call(), "r1/1"),
    ):
        bench = Desk(log(*([asked] if asked else []), change_asks=asked is None), width=width, height=height)
        bench.press("4")
        bench.press("4")
        bench.arm()
        bench.read_all()
        bench.model.fold(batch(*bench.log.add(stream, 0, event)))
        assert not bench.model.arming.says_armed
        assert sent(bench.press("a")) == []
        bench.arm()
        check(f"edited-{name}-{width}x{height}", bench)
        shown = whole(bench)
        assert "by 1000@pts/3" in shown
        assert ("2026-11-21" if name == "change" else "--ignore-scripts") in shown
        bench.read_all()
        bench.arm()
        assert sent(bench.press("a")) == [Decide(event.id, event.digest, "approved", ME)]


# -- batch ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_a_batch_shows_every_item_in_full_and_approves_each_under_its_digest(width: int, height: int) -> None:
    bench = Desk(log(CALL, SMALL), width=width, height=height)
    bench.press("4")
    bench.press("4")
    marked(bench, 3)
    check(f"batch-top-{width}x{height}", bench)
    assert sent(bench.press("a")) == []
    assert sent(bench.press("d")) == []
    bench.read_all()
    bench.arm()
    check(f"batch-armed-{width}x{height}", bench)
    out = bench.press("a")
    assert isinstance(out[0], SendBatch)
    assert sent(out) == [Decide(each.id, each.digest, "approved", ME) for each in (ASKED, CALL, SMALL)]
    cards = bench.model.cards
    cards.batch_said("A-28", "refused: A-28 was denied before.", bad=True)
    cards.batch_said("A-30", "A-30 approved", bad=False)
    cards.batch_said("A-31", "A-31 approved", bad=False)
    cards.batch_over()
    bench.model.fold(batch(*bench.log.add("r1/1", 0, ev.ApprovalDecided("A-30", "approved", ME, CALL.digest))))
    assert "refused: A-28 was denied before." in whole(bench)
    bench.read_all()
    bench.arm()
    assert sent(bench.press("a")) == [Decide("A-28", ASKED.digest, "approved", ME)], "only what is left"
    bench.press("escape")
    assert bench.model.queue.marks == ["A-28"]


@pytest.mark.parametrize(
    ("other", "why"), [(request("A-9"), "risk is high"), (request("A-9", kind="in_doubt"), "in doubt")]
)
def test_no_high_risk_and_nothing_in_doubt_is_in_a_batch(other: ev.ApprovalRequested, why: str) -> None:
    bench = Desk(log(other, CALL, change_asks=False))
    bench.arm()
    bench.press("m")
    assert why in text(bench)
    assert bench.model.queue.marks == []


def test_an_item_that_became_high_risk_leaves_the_batch() -> None:
    bench = Desk(log(CALL, SMALL, change_asks=False))
    bench.arm()
    marked(bench, 2)
    bench.read_all()
    bench.arm()
    bench.model.fold(batch(*bench.log.add("r1/1", 0, replace(edited_call(), risk="high"))))
    assert not bench.model.arming.says_armed
    bench.arm()
    bench.read_all()
    bench.arm()
    assert sent(bench.press("a")) == [Decide("A-31", SMALL.digest, "approved", ME)]
    assert "not in this batch" in whole(bench)
