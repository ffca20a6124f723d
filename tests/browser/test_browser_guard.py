"""N14 and its kin: whatever a page tries, its browser reaches what the operator granted and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from harness_tui.domain.events import ToolNoted
from harness_tui.domain.task import PageCondition, Verify

from .agent_hand import Hand, vote_task
from .traps import WAYS, datagrams, traps

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.usefixtures("one_browser")]

SECONDS = 60.0
"""What a page may take to try everything on a loaded machine."""


async def _until(holds: Callable[[], bool]) -> None:
    for _ in range(int(SECONDS / 0.05)):
        if holds():
            return
        await asyncio.sleep(0.05)


def _refused(hand: Hand) -> str:
    return " ".join(hand.box._guard._proxy.refused)


def _notes(hand: Hand) -> list[str]:
    return [event.text for event in hand.events if isinstance(event, ToolNoted)]


async def test_n14_no_way_out_of_a_page_leads_to_another_port_of_this_machine(news_site) -> None:
    site = news_site()
    async with traps() as trap, Hand(vote_task(site)) as hand:
        site.pages["/p/ways"] = trap.page()
        await hand.do("browser_navigate", url=f"{site.origin}/p/ways")
        await _until(lambda: all(f"{host} " in _refused(hand) for host in trap.hosts.values()))
        tried = {
            name for name, host in trap.hosts.items() if f"{host} is not public: it is loopback." in _refused(hand)
        }
        await hand.do("browser_url")
    assert trap.caught == set()
    assert tried == set(WAYS), "every way was tried and refused"
    told = [note for note in _notes(hand) if note.startswith("a connection was refused: 127.0.0.1:")]
    assert 0 < len(told) <= 20 and len(set(told)) == len(told)


async def test_n14_the_same_ways_are_open_to_hosts_the_operator_allowed(news_site) -> None:
    site = news_site()
    async with traps() as trap:
        task = vote_task(site, allow_hosts=tuple(trap.hosts.values()))
        async with Hand(task) as hand:
            site.pages["/p/ways"] = trap.page()
            await hand.do("browser_navigate", url=f"{site.origin}/p/ways")
            await _until(lambda: trap.caught == set(WAYS))
            assert trap.caught == set(WAYS) and _refused(hand) == ""


async def test_n14_a_service_worker_cannot_answer_in_the_sites_place(news_site) -> None:
    site = news_site()
    site.pages["/sw.js"] = "addEventListener('fetch', (e) => e.respondWith(new Response('mine')))"
    site.pages["/p/sw"] = (
        "<p id=p></p><script>Promise.race([navigator.serviceWorker.register('/sw.js').then(() => 'registered', () => "
        "'refused'), new Promise((r) => setTimeout(r, 500, 'refused'))]).then((t) => { p.textContent = t })</script>"
    )
    async with Hand(vote_task(site)) as hand:
        await hand.do("browser_navigate", url=f"{site.origin}/p/sw")
        page = hand.box._there.page
        await page.wait_for_function("p.textContent", timeout=60_000)
        assert await page.evaluate("navigator.serviceWorker.controller") is None
        assert "mine" not in (await hand.do("browser_get_text")).text


async def test_n14_webrtc_and_quic_send_nothing(news_site) -> None:
    site = news_site()
    async with Hand(vote_task(site)) as hand:
        assert await datagrams(hand, site) == 0


@pytest.mark.parametrize("proxy", [None, {"server": "direct://"}], ids=["no proxy", "direct"])
async def test_without_the_runs_proxy_chromium_connects_to_nothing(news_site, proxy: dict[str, str] | None) -> None:
    from playwright.async_api import Error

    site = news_site()
    async with Hand(vote_task(site)) as hand:
        context = await hand.box._chromium.browser.new_context(**({"proxy": proxy} if proxy else {}))
        page = await context.new_page()
        for url in (site.origin, f"http://localhost:{site.host.partition(':')[2]}", "http://[::1]:80"):
            with pytest.raises(Error, match=r"ERR_PROXY_CONNECTION_FAILED|ERR_NAME_NOT_RESOLVED"):
                await page.goto(url)
        await context.close()
    assert site.seen == []


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://169.254.169.254/latest/meta-data/", "link-local"),
        ("http://[::1]:PORT/", "loopback"),
        ("http://localhost:PORT/", "this machine"),
        ("http://a.localhost:PORT/", "this machine"),
        ("http://2130706433:PORT/", "loopback"),
        ("http://0x7f.1:PORT/", "loopback"),
        ("http://[::ffff:127.0.0.1]:PORT/", "loopback"),
        ("http://0.0.0.0:PORT/", "this machine"),
        ("https://10.0.0.1/", "a private network"),
        ("https://127.0.0.1:PORT/", "loopback"),
    ],
)
async def test_a_redirect_inward_is_refused_with_the_reason(news_site, url: str, why: str) -> None:
    site = news_site()
    async with traps(("inner",)) as trap, Hand(vote_task(site, allow_urls=(f"{site.origin}/to*",))) as hand:
        url = url.replace("PORT", trap.hosts["inner"].partition(":")[2])
        outcome = await hand.do("browser_navigate", url=f"{site.origin}/to?url={url}")
        assert not outcome.ok and "is not public" in outcome.text and why in outcome.text, outcome.text
        assert "--allow-host" in outcome.text and "ERR_" not in outcome.text
        assert (await hand.do("browser_navigate", url=f"{site.origin}/news")).ok, "the next page loads as ever"
    assert trap.caught == set()
    assert any("a connection was refused" in note and why in note for note in _notes(hand))


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_the_guards_answer_is_never_taken_for_the_sites_page(news_site, scheme: str) -> None:
    """Of a page that is not there every "gone" would hold; a click that ends there says so, and so does the verdict."""
    site = news_site()
    async with traps(("inner",)) as trap:
        away = f"{scheme}://{trap.hosts['inner']}/done"
        site.pages["/p/x"] = f"<a id=go href='{away}'>go</a>"
        gone = Verify(page=(PageCondition(selector="#nothing", state="gone"),))
        async with Hand(vote_task(site, stories=None, verify=gone)) as hand:
            await hand.do("browser_navigate", url=f"{site.origin}/p/x")
            clicked = await hand.do("browser_click", selector="#go")
            verdict = await hand.verify()
            acted = await hand.judge("browser_click", selector="body")
    reason = f"Cannot load {away}: {trap.hosts['inner']} is not public: it is loopback. If it is meant"
    assert reason in clicked.text and "--allow-host" in clicked.text
    assert verdict.passed is False and verdict.reason.startswith(reason)
    assert acted.verdict == "refuse"
    assert trap.caught == set()


async def test_a_login_behind_the_guard_says_what_to_allow(news_site) -> None:
    """The arrow leads to a sign-in on another port, which the task did not allow."""
    import msgspec

    site, door = news_site(), news_site()
    site.pages["/p/list"] = site.news("").replace("'vote?", f"'{door.origin}/vote?")
    task = vote_task(site, start_url=f"{site.origin}/p/list")
    task = msgspec.structs.replace(task, login=msgspec.structs.replace(task.login, origin=door.origin))
    async with Hand(task) as hand:
        await hand.do("browser_navigate", url=task.start_url)
        clicked = await hand.do("browser_click", selector="#up_101")
        interlude = await hand.after()
    assert f"--allow-host {door.host}" in clicked.text and not interlude.message
    assert door.seen == []
    async with Hand(msgspec.structs.replace(task, allow_hosts=(door.host,))) as hand:
        await hand.do("browser_navigate", url=task.start_url)
        await hand.do("browser_click", selector="#up_101")
        interlude = await hand.after()
    assert interlude.message.startswith(f"The harness signed you in at {door.origin}.")
    assert door.logins() == 1 and site.logins() == 0
