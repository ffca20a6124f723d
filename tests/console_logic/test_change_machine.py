"""Decisions as a machine: whatever keys, frames, pastes and edits come, only a deliberate press about what was read."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from harness_tui.console import editing
from harness_tui.console.arming import Subject
from harness_tui.console.intents import EditText
from harness_tui.port.commands import Decide

from .changes import CALL, SMALL, Desk, edited_call, log, marked, sent
from .scene import batch


class Eyes:
    """What the terminal has shown, counted beside the console. `read`: items of which every line was."""

    def __init__(self) -> None:
        self.rows: dict[Subject, set[tuple[int, int, int, int]]] = {}
        self.read: set[Subject] = set()

    def look(self, bench: Desk) -> None:
        """One frame, acknowledged."""
        m, form = bench.model, bench.model.card_form()
        shows = m.wants_ack is not None and m.focus == 4 and m.overlay is None
        rows = m.card_rows(form.width)
        for row in rows[m.queue.top : m.queue.top + form.rows] if shows else ():
            for source in (row.source, *(() if row.also is None else (row.also,))):
                self.rows.setdefault(row.of, set()).add((source, row.part, row.parts, form.width))
        bench.draw()
        for item in {row.of for row in rows}:
            wanted = {n for row in rows if row.of == item for n in (row.source, row.also) if n is not None}
            seen = self.rows.get(item, set())
            whole = {n for n, _, parts, w in seen if all((n, part, parts, w) in seen for part in range(parts))}
            if wanted <= whole:
                self.read.add(item)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                *"aaddDebmMjG",
                *["calm"] * 5,
                *["blur"] * 2,
                "space",
                "space",
                "enter",
                "escape",
                "x",
                "paste",
                "blur",
                "focus",
                "draw",
                "serve",
                "edit",
                "resize",
            ]
        ),
        st.sampled_from([0.0, 0.01, 0.06, 0.11, 0.13, 0.6, 1.0, 2.0]),
    ),
    max_size=50,
)


@given(STEPS, st.sampled_from(["new", "armed", "read", "batch"]))
@settings(max_examples=300, deadline=None)
def test_no_burst_no_paste_no_blur_and_no_unseen_line_ever_decides(steps: list[tuple[str, float]], start: str) -> None:
    """Kept beside the model: when keys came, whether it was blurred, and what was read of each item."""
    bench = Desk(log(CALL, SMALL))
    m = bench.model
    bench.press("4")
    if start != "new":
        bench.arm()
    if start == "batch":
        marked(bench, 3)
    if start in ("read", "batch"):
        bench.read_all()
        bench.arm()
    pressed: list[float] = []
    blurred = False
    size = 24

    eyes = Eyes()
    if start in ("read", "batch"):  # what reached the screen before is read: `read_all` is tested by itself
        eyes.read |= {Subject(row.id, row.digest) for row in m.cards.items()}

    def decided(out: list[object]) -> None:
        for command in sent(out):
            assert not blurred
            times = [at for at in pressed if bench.at - 0.45 < at <= bench.at]
            assert times, "a decision comes of a key that was just pressed"
            last = times[-1]
            assert not [at for at in pressed if at != last and abs(at - last) < 0.12], "it stood alone"
            assert pressed.count(last) == 1
            row = m.world.views.approvals[command.approval]
            assert row.digest == command.digest
            if isinstance(command, Decide) and command.decision == "approved":
                assert Subject(command.approval, command.digest) in eyes.read, "every line of it was on screen"
        for intent in out:
            if isinstance(intent, EditText):
                assert not blurred
                decided(list(editing.back(m, intent.subject, None)))

    def later(seconds: float) -> None:
        end = bench.at + seconds
        while (due := m.due()) is not None and due <= end:
            bench.at = max(bench.at, due)
            decided(list(m.tick(bench.at)))
        bench.at = end

    for step, gap in steps:
        later(gap)
        match step:
            case "paste":
                pressed.append(bench.at)
                m.paste("adb\n", bench.at)
            case "blur":
                m.focus_out(bench.at)
                blurred = True
            case "focus":
                m.focus_in(bench.at)
                blurred = False
            case "draw":
                eyes.look(bench)
            case "calm":
                for _ in range(3):
                    bench.serve()
                    eyes.look(bench)
                    later(0.6)
            case "serve":
                bench.serve()
            case "resize":
                size = 24 if size == 40 else 40
                m.resized(80, size, bench.at)
            case "edit":
                m.fold(batch(*bench.log.add("r1/1", 0, edited_call(f"npm {len(pressed)}"))))
            case key:
                pressed.append(bench.at)
                decided(list(m.key(key, bench.at)))
