"""Who may do what on a live page: the levels, the cards, and links that are votes."""

from __future__ import annotations

import msgspec
import pytest

from harness_tui.domain.approval import action_digest
from harness_tui.domain.errors import UsageError
from harness_tui.domain.task import Approve, Stories
from harness_tui.tools.network import connect

from .agent_hand import Hand, vote_task

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.usefixtures("one_browser")]


def _facts(judgement) -> dict[str, str]:
    return {fact.label: fact.value for fact in judgement.proposal.facts}


async def test_a_click_is_asked_with_the_whole_card(news_site) -> None:
    site = news_site()
    task = vote_task(site, approve=Approve(selectors=("#nothing", "{first.arrow}", "#up_{id}")))
    digests = []
    for session in ("s1", "s2"):
        async with Hand(task, session=session) as hand:
            await hand.do("browser_navigate", url=f"{site.origin}/news")
            judged = await hand.judge("browser_click", selector="#up_101")
            assert judged.verdict == "ask" and judged.proposal.risk == "high" and judged.proposal.session == session
            assert list(_facts(judged).items()) == [
                ("tool", "browser_click"),
                ("page", f"{site.origin}/news"),
                ("target", 'a "upvote", story 101 "Show: a clock"'),
                ("sends", f"GET {site.origin}/vote?id=101&how=up&goto=news"),
                ("effect", "cannot be undone by the harness"),
            ]
            assert judged.proposal.summary == 'browser_click: upvote story 101 "Show: a clock"'
            assert judged.proposal.selector == "{first.arrow}"
            assert (await hand.judge("browser_click", selector="#up_103")).proposal.selector == "#up_{id}"
            inside = await hand.judge("browser_click", selector="#up_101 .votearrow")
            assert _facts(inside)["sends"] == _facts(judged)["sends"]
            digests.append(action_digest(judged.proposal))
    assert digests[0] == digests[1], "a rebuilt world with the same page asks for the same thing"


async def test_a_navigate_to_a_vote_asks_as_the_click_would(news_site) -> None:
    site = news_site()
    async with Hand(vote_task(site, allow_urls=(f"{site.origin}/*",))) as hand:

        async def verdict(url: str) -> str:
            return (await hand.judge("browser_navigate", url=url)).verdict

        start = f"{site.origin}/news"
        vote = f"{site.origin}/vote?id=101&how=up&goto=news"
        assert await verdict(start) == "allow"
        await hand.do("browser_navigate", url=start)
        relative = ("vote?id=101&how=up&goto=news", "./vote?goto=news&how=%75p&id=101", "/login?goto=news")
        spellings = (vote, f"{vote}#x", *relative)
        assert {url: await verdict(url) for url in spellings} == dict.fromkeys(spellings, "ask")
        assert await verdict(start) == "allow" and await verdict(f"{start}?p=9") == "allow"
        assert await verdict("item?id=999") == "allow"
        await hand.do("browser_navigate", url="item?id=999")
        assert await verdict(vote) == "ask", "links are remembered for the whole session"
        for url in ("javascript:alert(1)", "file:///etc/passwd", "http://a@127.0.0.1/", "http://example.com/"):
            judged = await hand.judge("browser_navigate", url=url)
            assert (judged.verdict, judged.why) == ("refuse", "policy"), url
        assert site.votes == set() and not any("vote" in line for line in site.seen)


async def test_allow_selectors_are_matched_by_the_element_not_by_the_text(news_site) -> None:
    site = news_site()
    site.pages["/p/page"] = (
        "<a class=more href=/p/2>more</a> <a id=x href=/p/3>other</a><input class=more name=q>"
        "<div class=more style='width:9em'><a id=y href=/vote?id=101&how=up style='display:block'>in it</a></div>"
        "<form action=/p/4 method=post><button id=go>Go</button></form><a id=js href='javascript:1'>js</a>"
        "<a id=blank href=/p/5 target=_blank>new</a><select id=s><option value=1>one</option></select>"
    )
    async with Hand(vote_task(site, stories=None, allow_selectors=(".more",))) as hand:
        await hand.do("browser_navigate", url=f"{site.origin}/p/page")

        async def judged(name: str, **arguments: str):
            return await hand.judge(name, **arguments)

        free = [("a[href='/p/2']",), ("text=more",), ("input[name=q]",)]
        assert [(await judged("browser_click", selector=s)).verdict for (s,) in free] == ["allow"] * 3
        assert (await judged("browser_fill", selector="input", value="v")).verdict == "allow"
        asks = ["#x", ".more >> nth=0 >> xpath=following::a[1]", "#blank", "#js", "#go", "div.more"]
        assert [(await judged("browser_click", selector=s)).verdict for s in asks] == ["ask"] * len(asks)
        sends = {
            s: _facts(await judged("browser_click", selector=s))["sends"] for s in ("#js", "#go", "#blank", "div.more")
        }
        assert sends == {
            "#js": "script",
            "#go": f"POST {site.origin}/p/4",
            "#blank": f"GET {site.origin}/p/5 (in a new window, which is closed)",
            "div.more": f"GET {site.origin}/vote?id=101&how=up",
        }
        assert (await judged("browser_select", selector="#s", value="1")).verdict == "ask"
        assert (await judged("browser_navigate", url="/p/2")).verdict == "allow"
        assert (await judged("browser_navigate", url="/p/3")).verdict == "ask"
        snapshot = (await hand.do("browser_snapshot")).text
        ref = snapshot.split('link "other" [ref=')[1].split("]")[0]
        by_ref = await judged("browser_click", selector=f"ref={ref}")
        assert by_ref.verdict == "ask" and _facts(by_ref)["target"] == 'a "other"'


async def test_levels(news_site) -> None:
    site = news_site()
    calls = [
        ("browser_url", {}),
        ("browser_navigate", {"url": f"{site.origin}/news"}),
        ("browser_navigate", {"url": f"{site.origin}/login"}),
        ("browser_click", {"selector": "#up_101"}),
        ("browser_clock", {}),
        ("browser_click", {"css": "#up_101"}),
    ]
    async with Hand(vote_task(site)) as hand:
        await hand.do("browser_navigate", url=f"{site.origin}/news")
        seen: dict[str, list[tuple[str, str]]] = {"L1": [], "L2": [], "L3": []}
        for at, said in seen.items():
            judgements = [await hand.judge(name, at, **arguments) for name, arguments in calls]
            said += [(j.verdict, j.why if j.verdict == "refuse" else "") for j in judgements]
    level, unknown, malformed = ("refuse", "level"), ("refuse", "unknown_tool"), ("refuse", "malformed")
    allow, ask = ("allow", ""), ("ask", "")
    assert seen == {
        "L1": [allow, level, level, level, unknown, malformed],
        "L2": [allow, allow, ask, ask, unknown, malformed],
        "L3": [allow, allow, level, level, unknown, malformed],
    }


async def test_an_element_that_changed_after_the_judgement_is_left_alone(news_site) -> None:
    site = news_site()
    async with Hand(vote_task(site)) as hand:
        await hand.do("browser_navigate", url=f"{site.origin}/news")
        page = hand.box._there.page
        call = hand.call("browser_click", selector="#up_101")
        assert (await hand.world.judge(call, "L2")).verdict == "ask"
        await page.evaluate("document.querySelector('#up_101').href = 'vote?id=104&how=up'")
        outcome = await hand.world.perform(call)
        assert not outcome.ok and "changed after it was judged" in outcome.text
        late = hand.call("browser_click", selector="#late")
        assert (await hand.world.judge(late, "L2")).verdict == "allow", "nothing is there: nothing to ask for"
        await page.evaluate("document.querySelector('#up_102').id = 'late'")
        outcome = await hand.world.perform(late)
        assert not outcome.ok and "changed after it was judged" in outcome.text
    assert not any("GET /vote" in line for line in site.seen)


async def test_on_a_foreign_origin_nothing_acts(news_site, monkeypatch) -> None:
    """A public site the task does not name: here another port of loopback, taken for public."""
    monkeypatch.setattr(connect, "private", lambda address: "")
    monkeypatch.setattr(connect, "guarded", lambda place, reach: "")
    site, other = news_site(), news_site()
    async with Hand(vote_task(site, allow_urls=(f"{site.origin}/to*",))) as hand:
        outcome = await hand.do("browser_navigate", url=f"{site.origin}/to?url={other.origin}/news")
        assert "redirected from" in outcome.text and f"another origin ({other.origin})" in outcome.text
        for name, arguments in (
            ("browser_click", {"selector": "#up_101"}),
            ("browser_fill", {"selector": "a", "value": ""}),
        ):
            judged = await hand.judge(name, **arguments)
            assert (judged.verdict, judged.why) == ("refuse", "policy") and other.origin in judged.reason
        assert (await hand.judge("browser_navigate", url="/news")).verdict == "refuse"
        assert (await hand.do("browser_navigate", url=f"{site.origin}/news")).ok


async def test_calls_that_go_wrong_say_so(news_site) -> None:
    site = news_site()
    site.pages["/p/x"] = (
        "<button id=b disabled>b</button><select id=s><option value=1>one</select><p id=p class='a b'>p</p>"
        "<div style='position:fixed;inset:0;background:#eee'></div><input id=i>"
    )
    async with Hand(vote_task(site), patience=3.0) as hand:
        await hand.do("browser_navigate", url=f"{site.origin}/p/x")
        missing = await hand.do("browser_click", selector="#nope")
        assert not missing.ok
        assert missing.text == f"No element matches #nope on {site.origin}/p/x. browser_snapshot lists what is there."
        assert "not understood" in (await hand.do("browser_has_class", selector="][", class_name="a")).text
        assert (await hand.do("browser_has_class", selector="#p", class_name="b")).text == "true"
        assert "there are: one" in (await hand.do("browser_select", selector="#s", value="2")).text
        assert (await hand.do("browser_fill", selector="#i", value="v")).ok
        malformed = await hand.judge("browser_click")
        assert (malformed.verdict, malformed.why) == ("refuse", "malformed")
        assert malformed.reason == "browser_click was not called: selector is missing (it takes: selector)."


async def test_tools_and_selectors_of_the_task_are_checked(news_site) -> None:
    site = news_site()
    task = vote_task(site)
    reader = Hand(msgspec.structs.replace(task, level="L1"))
    assert all(tool.risk == "read_only" for tool in reader.world.tools) and len(reader.world.tools) == 5
    unknown = await reader.judge("browser_get_storys", "L1")
    assert unknown.reason == 'There is no tool "browser_get_storys"; the nearest is "browser_get_stories".'
    few = Hand(msgspec.structs.replace(task, tools=("browser_url", "browser_click")))
    assert [tool.name for tool in few.world.tools] == ["browser_click", "browser_url"]
    assert (await few.judge("browser_navigate", url=task.start_url)).why == "unknown_tool"
    bad = Hand(vote_task(site, stories=Stories(row="tr[", title="a", arrow="#up_{id}")))
    with pytest.raises(UsageError, match=r"no CSS: tr\["):
        await bad.world.open()
