"""What happens to the browser itself: popups, dialogs, downloads, hangs, kills, and the end."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from harness_tui.domain.errors import SetupError
from harness_tui.domain.events import ToolNoted
from harness_tui.domain.messages import ToolCall
from harness_tui.domain.seams import EnvironmentLost
from harness_tui.domain.task import TaskFile
from harness_tui.tools.browser import chromium, processes
from harness_tui.tools.browser.processes import alive
from harness_tui.tools.browser.session import file_name

from .agent_hand import Hand, until, vote_task
from .traps import datagrams

NOWHERE = TaskFile(prompt="look", start_url="http://127.0.0.1:9/")
KEEPS = """<script>(async () => {
  const stored = await caches.open('c'), database = await new Promise((r) => {
    const asked = indexedDB.open('d'); let made = false;
    asked.onupgradeneeded = () => { made = true }; asked.onsuccess = () => r(!made) });
  const found = [document.cookie.includes('k=1') && 'cookie', localStorage.k && 'local', database && 'database',
    await stored.match('/x') && 'cache'];
  document.cookie = 'k=1'; localStorage.k = '1'; await stored.put('/x', new Response('x'));
  p.textContent = found.filter(Boolean).join(' ') || 'nothing' })()</script>"""
URL = ToolCall("u", "browser_url", {})


@pytest.fixture(autouse=True)
def _whole_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed and hung here is the browser a user has, not the light one."""
    monkeypatch.delenv("HARNESS_TUI_BROWSER", raising=False)


def _browser_pid(hand: Hand) -> int:
    """The browser's main process: the one whose parent is the driver."""
    marker = hand.box._chromium._marker
    return next(p.pid for p in hand.box._chromium.processes() if marker in psutil.Process(p.pid).cmdline())


@pytest.fixture
def own_tmp(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A temporary directory of the test's own; short, for a browser's socket has a path of at most 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="own-") as folder:
        monkeypatch.setenv("TMPDIR", folder)
        monkeypatch.setattr(tempfile, "tempdir", None)
        yield Path(folder)
        monkeypatch.undo()


async def test_what_a_page_does_by_itself_is_refused_and_noted(news_site, own_tmp, monkeypatch) -> None:
    site = news_site()
    site.pages["/p/noisy"] = (
        "<a id=pop href=/p/other target=_blank>pop</a><a id=load href=/file>file</a>"
        "<button id=ask onclick=\"this.textContent = confirm('Really?')\">ask</button>"
        "<input id=up type=file><script>addEventListener('beforeunload', (e) => { e.preventDefault() })</script>"
    )
    monkeypatch.setenv("HOME", str(own_tmp / "home"))
    async with Hand(vote_task(site)) as hand:
        await hand.do("browser_navigate", url=f"{site.origin}/p/noisy")
        for selector in ("#pop", "#load", "#up"):
            assert (await hand.do("browser_click", selector=selector)).ok
        await hand.do("browser_click", selector="#ask")
        assert "false" in (await hand.do("browser_get_text")).text, "dialogs are answered with no"
        assert (await hand.do("browser_url")).text == f"{site.origin}/p/noisy"
        pages = hand.box._there._context.pages
        assert len(pages) == 1
        assert not [found for found in own_tmp.rglob("*") if found.is_file() and found.read_bytes() == b"abc"]
        assert (await hand.do("browser_navigate", url=f"{site.origin}/news")).ok, "a page may not keep the agent"
    notes = " | ".join(event.text for event in hand.events if isinstance(event, ToolNoted))
    for word in (
        f"a popup was closed ({site.origin}/p/other)",
        f'a download was refused: "_.._a.bin" ({site.origin}/file)',
        "a file chooser was refused",
        'a confirm dialog was dismissed: "Really?"',
    ):
        assert word in notes
    left = [found for found in own_tmp.iterdir() if found.name != "home"]
    assert left == [], "neither profile nor download outlives the browser"


@pytest.mark.parametrize(
    ("suggested", "told"),
    [
        ("../../x", "x"),
        ("a\\b", "b"),
        ("a\0b", "ab"),
        ("..", "unnamed"),
        ("", "unnamed"),
        ("C:\\Users\\x\\.bashrc", "bashrc"),
        ("invoice\u202efdp.exe", "invoicefdp.exe"),
        ("/etc/passwd ", "passwd"),
        ("a\nb\x1b[2J", "ab[2J"),
        ("x" * 400, "x" * 100),
    ],
)
def test_f13_a_download_is_named_by_its_last_part(suggested: str, told: str) -> None:
    assert file_name(suggested) == told


async def test_a_page_that_never_loads(news_site) -> None:
    site = news_site("hangs")
    async with Hand(vote_task(site), patience=1.0) as hand:
        outcome = await hand.do("browser_navigate", url=f"{site.origin}/news")
        assert not outcome.ok and outcome.text.startswith("The page did not load within 1 s.")
        assert "did not load" in (await hand.world.baseline())[0]["error"]


async def test_a_site_that_is_down(news_site) -> None:
    site = news_site()
    site.close()
    async with Hand(vote_task(site)) as hand:
        assert f"{site.host} cannot be reached: " in (await hand.look())["error"]
        outcome = await hand.do("browser_navigate", url=f"{site.origin}/news")
        assert not outcome.ok and outcome.text.startswith(
            f"Cannot load {site.origin}/news: {site.host} cannot be reached: "
        )
        verdict = await hand.verify()
        assert verdict.passed is False and "cannot be reached" in verdict.reason


async def test_a_browser_killed_mid_run_is_lost_and_leaves_nothing(news_site) -> None:
    site = news_site()
    hand = Hand(vote_task(site))
    async with hand:
        running = hand.box._chromium.processes()
        assert len(running) > 3
        waits = asyncio.ensure_future(hand.do("browser_navigate", url=f"{site.origin}/hang"))
        await until(lambda: "GET /hang" in site.seen)
        os.kill(_browser_pid(hand), signal.SIGKILL)
        with pytest.raises(EnvironmentLost, match="killed or crashed"):
            await asyncio.wait_for(waits, 60)
        for act in (
            hand.world.perform(URL),
            hand.world.after_batch(),
            hand.world.verify([], None),
            hand.world.baseline(),
        ):
            with pytest.raises(EnvironmentLost):
                await act
    assert not [p for p in running if alive(p)]


async def test_a_crashed_page_is_lost(news_site) -> None:
    async with Hand(vote_task(news_site())) as hand:
        cdp = await hand.box._there._context.new_cdp_session(hand.box._there.page)
        crash = asyncio.ensure_future(cdp.send("Page.crash"))
        await until(lambda: bool(hand.box._there.lost))
        with pytest.raises(EnvironmentLost, match="page crashed"):
            await asyncio.wait_for(hand.world.perform(ToolCall("t", "browser_get_text", {})), 60)
        crash.cancel()


@pytest.mark.parametrize("frozen", ["browser", "driver", "both"])
async def test_close_ends_everything_however_hung(news_site, frozen: str, own_tmp) -> None:
    hand = Hand(vote_task(news_site()))
    await hand.world.open()
    running = hand.box._chromium.processes()
    browser = _browser_pid(hand)
    driver = psutil.Process(browser).ppid()
    for pid in {"browser": [browser], "driver": [driver], "both": [browser, driver]}[frozen]:
        os.kill(pid, signal.SIGSTOP)
    assert list(own_tmp.iterdir())
    await asyncio.wait_for(hand.world.close(), 60)
    assert not [p for p in running if alive(p)]
    assert list(own_tmp.iterdir()) == []
    await hand.world.close()
    with pytest.raises(EnvironmentLost):
        await hand.world.perform(URL)


async def test_nothing_outlives_the_engine(tmp_path) -> None:
    """SIGKILL of the process that holds the browser: the driver notices and takes the browser along."""
    code = (
        "import asyncio\nfrom harness_tui.tools.browser.chromium import Chromium\n"
        "async def main():\n    c = Chromium(); await c.start()\n    print(c._marker, flush=True)\n"
        "    await asyncio.sleep(60)\nasyncio.run(main())\n"
    )
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    marker = (await asyncio.wait_for(child.stdout.readline(), 60)).decode().strip()
    left = chromium.processes.marked(marker)
    assert len(left) > 3
    child.kill()
    await child.wait()
    await until(lambda: not [p for p in left if alive(p)])


async def test_two_environments_share_nothing(news_site) -> None:
    """Neither the sign-in nor storage nor cache nor the profile's folder."""
    site = news_site()
    site.pages["/p/kept"] = "<p id=p></p>" + KEEPS
    async with Hand(vote_task(site)) as one, Hand(vote_task(site)) as two:
        await one.vote_first()
        await one.do("browser_navigate", url=f"{site.origin}/news")
        await two.do("browser_navigate", url=f"{site.origin}/news")
        assert "unvote" in (await one.do("browser_get_text")).text
        assert "unvote" not in (await two.do("browser_get_text")).text
        told = []
        for hand in (one, one, two):
            await hand.do("browser_navigate", url=f"{site.origin}/p/kept")
            await hand.box._there.page.wait_for_function("p.textContent", timeout=60_000)
            told.append((await hand.do("browser_get_text")).text.strip())
        assert told == ["nothing", "cookie local database cache", "nothing"]
        profiles = [set(processes.values("--user-data-dir=", hand.box._chromium._marker)) for hand in (one, two)]
        assert profiles[0] and profiles[1] and not profiles[0] & profiles[1]


async def test_n14_the_windowed_browser_sends_no_datagrams_either(news_site) -> None:
    """Its switch for WebRTC has another name than the headless shell's."""
    site = news_site()
    async with Hand(vote_task(site)) as hand:
        assert await datagrams(hand, site) == 0


async def test_a_browser_nobody_uses_is_closed_and_lost(news_site) -> None:
    hand = Hand(vote_task(news_site()), idle=0.3)
    async with hand:
        await hand.do("browser_navigate", url=hand.task.start_url)
        running = hand.box._chromium.processes()
        assert len(running) > 3
        await until(lambda: not [p for p in running if alive(p)])
        with pytest.raises(EnvironmentLost, match="not used for"):
            await hand.world.perform(URL)
        with pytest.raises(EnvironmentLost, match="not used for"):
            await hand.judge("browser_url")


async def test_a_browser_in_use_is_not_idle(news_site) -> None:
    """A page that takes longer than the bound is waited for all the same."""
    async with Hand(vote_task(news_site()), idle=0.5, patience=2.0) as hand:
        outcome = await hand.do("browser_navigate", url=f"{hand.task.start_url.removesuffix('/news')}/hang")
        assert not outcome.ok and "did not load" in outcome.text


async def test_the_probe_starts_a_real_browser_and_names_what_is_missing(monkeypatch, tmp_path) -> None:
    found = await chromium.probe()
    assert found.ok and found.version and found.sandboxed == (os.geteuid() != 0)
    monkeypatch.setenv(chromium.VARIABLE, "/no/such/browser")
    missing = await chromium.probe()
    assert not missing.ok and chromium.VARIABLE in missing.problem
    monkeypatch.setenv(chromium.VARIABLE, "/bin/false")
    broken = await chromium.probe()
    assert not broken.ok and "/bin/false does not start" in broken.problem
    node = tmp_path / "node"
    node.write_text("#!/bin/sh\necho 'node: error while loading shared libraries: libatomic.so.1: no' >&2; exit 127\n")
    node.chmod(0o755)
    monkeypatch.setenv("PLAYWRIGHT_NODEJS_PATH", str(node))
    driver = await chromium.probe()
    assert not driver.ok and "libatomic1 is missing" in driver.problem and "apt-get install" in driver.remedy
    hand = Hand(NOWHERE)
    with pytest.raises(SetupError, match="libatomic1"):
        await hand.world.open()


async def test_the_probe_without_playwright_or_browser(monkeypatch) -> None:
    monkeypatch.setattr(chromium, "find", lambda: "")
    monkeypatch.setattr(chromium, "_bundled", lambda _: "")
    assert "No Chromium" in (await chromium.probe()).problem
    monkeypatch.setitem(sys.modules, "playwright.async_api", None)
    probe = await chromium.probe()
    assert probe.problem == "The Python package playwright is not installed."
    assert "pip install '.[browser]'" in probe.remedy


def test_notes_say_whether_the_browser_is_sandboxed(monkeypatch) -> None:
    world = Hand(NOWHERE).world
    assert world.notes == (("browser unsandboxed",) if os.geteuid() == 0 else ())
    assert (world.kind, world.recovery) == ("browser", "restart")
