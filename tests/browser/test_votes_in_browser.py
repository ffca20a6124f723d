"""A run is verified exactly if the site's own records hold the vote, whatever the page pretends."""

from __future__ import annotations

import json

import msgspec
import pytest

from harness_tui.domain.events import LoginHandled, ToolNoted
from harness_tui.domain.seams import Credential, Performed
from harness_tui.domain.task import Goal, IdFrom, PageCondition, Stories, Verify

from .agent_hand import Hand, vote_task
from .news_site import USER

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.usefixtures("one_browser")]


@pytest.mark.parametrize(
    ("quirk", "says"),
    [
        ("", "story 101 was voted and no other"),
        ("reorders", "story 101 was voted and no other"),
        ("login returns", "not voted"),
        ("wrong story", "not voted"),
        ("no vote", "not voted"),
        ("script hides", "not voted"),
        ("login wall", "refused the credentials"),
        ("down", "HTTP 503"),
    ],
)
async def test_verified_equals_the_sites_records(news_site, quirk: str, says: str) -> None:
    site = news_site(quirk)
    async with Hand(vote_task(site)) as hand:
        await hand.look()
        interlude = await hand.vote_first()
        verdict = await hand.verify()
    assert verdict.passed is ((USER, "101") in site.votes)
    assert says in verdict.reason
    if quirk == "":
        assert isinstance(interlude.events[0], LoginHandled)
        assert interlude.message.startswith(f"The harness signed you in at {site.origin}.")
        assert any(frame.caption == "verify" for frame in hand.frames())


async def test_arrow_judged_alone_is_still_checked_without_scripts(news_site) -> None:
    """With no mark of a vote to look for, an arrow hidden by script (and again after each load) proves nothing."""
    site = news_site("script hides")
    task = vote_task(site)
    task = msgspec.structs.replace(task, stories=msgspec.structs.replace(task.stories, voted=""))
    async with Hand(task) as hand:
        await hand.look()
        await hand.vote_first()
        verdict = await hand.verify()
    assert verdict.passed is False and not site.votes
    assert "as the site sends it" in verdict.reason


async def test_ids_known_only_from_the_arrow(news_site) -> None:
    """Signed out there are no ids; once voted there is no arrow to read one from: the title finds the row again."""
    site = news_site("no ids signed out")
    listed = Stories(
        row="tr.athing",
        title=".titleline > a",
        arrow="a[href^='vote?id={id}&how=up']",
        id_from=IdFrom(css=".votelinks a", attribute="href", regex=r"id=(\d+)"),
    )
    async with Hand(vote_task(site, stories=listed)) as hand:
        await hand.look()
        await hand.vote_first()
        verdict = await hand.verify()
    assert verdict.passed is True and site.votes == {(USER, "101")}, verdict.reason


async def test_a_vote_from_before_the_run_is_said_and_not_verified(news_site) -> None:
    site = news_site()
    site.votes.add((USER, "101"))
    async with Hand(vote_task(site)) as hand:
        await hand.look()
        await hand.vote_first()
        verdict = await hand.verify()
    assert verdict.passed is False and verdict.fatal
    assert verdict.reason == "story 101 was already voted before the run began"


async def test_votes_of_the_account_on_other_stories_do_not_disturb(news_site) -> None:
    site = news_site()
    site.votes.add((USER, "103"))
    async with Hand(vote_task(site)) as hand:
        await hand.look()
        await hand.vote_first()
        verdict = await hand.verify()
    assert verdict.passed is True, verdict.reason


async def test_another_vote_beside_the_right_one_is_not_verified(news_site) -> None:
    site = news_site()
    async with Hand(vote_task(site)) as hand:
        await hand.look()
        await hand.vote_first()
        await hand.do("browser_click", selector="#up_104")
        verdict = await hand.verify()
    assert verdict.passed is False and "another story changed" in verdict.reason and "104" in verdict.reason


async def test_a_later_attempt_is_held_to_the_first_baseline(news_site) -> None:
    """The first story at the start stays the one to vote for, though another stands on top by now."""
    site = news_site()
    async with Hand(vote_task(site)) as hand:
        baseline = await hand.look()
    site.order = ["104", "101", "102", "103"]
    async with Hand(vote_task(site)) as hand:
        hand.baseline = baseline
        await hand.vote_first()
        verdict = await hand.verify()
    assert verdict.passed is False and site.votes == {(USER, "104")}
    assert "failed: no browser_click *101* was done" in verdict.checks


async def test_wrong_credentials_are_sent_once(news_site) -> None:
    site = news_site("wrong password")
    async with Hand(vote_task(site)) as hand:
        await hand.look()
        interlude = await hand.vote_first()
        again = await hand.after()
        verdict = await hand.verify()
    assert site.logins() == 1
    assert interlude.fatal.startswith("The site refused the credentials") == again.fatal.startswith("The site refused")
    assert [e.ok for e in hand.events if isinstance(e, LoginHandled)] == [False]
    assert any("earlier votes are unknown" in e.text for e in hand.events if isinstance(e, ToolNoted))
    assert verdict.fatal and "refused the credentials" in verdict.reason


async def test_wrong_credentials_without_a_look_before(news_site) -> None:
    site = news_site()
    async with Hand(vote_task(site), Credential(USER, "wrong-word")) as hand:
        interlude = await hand.vote_first()
        await hand.after()
    assert site.logins() == 1 and "refused the credentials" in interlude.fatal
    assert "wrong-word" not in repr(hand.events) + repr(hand.texts)


async def test_missing_credential_names_what_to_set(news_site) -> None:
    site = news_site()
    async with Hand(vote_task(site), None) as hand:
        interlude = await hand.vote_first()
    assert site.logins() == 0
    assert "SITE_PASSWORD is not set" in interlude.fatal and "Set SITE_USER" in interlude.fatal


async def test_nothing_is_filled_on_another_origin(news_site) -> None:
    """The very same login page, on a port that is not the bound one."""
    site, other = news_site(), news_site()
    async with Hand(vote_task(site, allow_hosts=(other.host,))) as hand:
        await hand.do("browser_navigate", url=f"{other.origin}/login")
        interlude = await hand.after()
        again = await hand.after()
        page = hand.box._there.page
        filled = await page.evaluate("() => [...document.querySelectorAll('input')].map((el) => el.value)")
    assert not interlude.message and not again.events and other.logins() == 0
    (handled,) = interlude.events
    assert isinstance(handled, LoginHandled) and not handled.ok
    assert "refuses to fill credentials on " + other.origin in handled.detail
    assert USER not in filled


async def test_c03_a_login_form_in_a_frame_is_not_filled(news_site) -> None:
    """Neither another site's in the task's page nor the task's in another's."""
    site, other = news_site(), news_site()
    site.pages["/p/login"] = f"<iframe src={other.origin}/login></iframe>"
    other.pages["/login/p"] = f"<iframe src={site.origin}/login></iframe>"
    async with Hand(vote_task(site, allow_hosts=(other.host,))) as hand:
        for url in (f"{site.origin}/p/login", f"{other.origin}/login/p"):
            await hand.do("browser_navigate", url=url)
            interlude = await hand.after()
            assert not interlude.message and not interlude.events
            for frame in hand.box._there.page.frames[1:]:
                assert await frame.locator("input[name=acct]").count() == 2, "the form is there to be filled"
                values = "(all) => all.map((el) => el.value).join('')"
                filled = await frame.locator("input[name=acct], input[name=pw]").evaluate_all(values)
                assert filled == ""
    assert site.logins() == other.logins() == 0


async def test_a_form_that_sends_elsewhere_is_not_filled(news_site) -> None:
    site, other = news_site(), news_site()
    site.pages["/p/login"] = site.login({}).replace("action=login", f"action={other.origin}/login")
    async with Hand(vote_task(site)) as hand:
        await hand.do("browser_navigate", url=f"{site.origin}/p/login")
        interlude = await hand.after()
    assert other.logins() == 0 and interlude.events
    assert "refuses to fill" in interlude.events[0].detail


async def test_without_verify_nothing_is_verified(news_site) -> None:
    site = news_site()
    for task, more in ((vote_task(site, verify=None), {}), (vote_task(site), {"verify": False, "login": False})):
        async with Hand(task, **more) as hand:
            verdict = await hand.world.verify([Performed("browser_click", {"selector": "#up_101"}, True)], None)
            assert (verdict.passed, verdict.reason) == (None, "nothing verified the claim")
            assert not (await hand.after()).events


async def test_page_conditions_and_goal(news_site) -> None:
    site = news_site()
    site.pages["/p/form"] = "<title>F</title><p id=a class='x y'>all done</p><p id=b style='display:none'>b</p>"

    def condition(selector: str, state: str) -> PageCondition:
        return PageCondition(selector=selector, state=state)

    good = [("#a", "visible"), ("#a", "class:y"), ("#a", "text:done"), ("#b", "hidden"), ("#c", "gone")]
    bad = [("#a", "gone"), ("#b", "visible"), ("#a", "class:z"), ("#a", "text:none"), ("#c", "hidden"), ("#[", "gone")]
    task = vote_task(site, stories=None, start_url="", allow_hosts=(site.host,))
    everything = tuple(condition(*pair) for pair in good)
    task = msgspec.structs.replace(
        task, goal=Goal(page=everything), verify=Verify(trace=("browser_navigate",), page=everything)
    )
    async with Hand(task) as hand:
        assert await hand.world.goal([], None) == ""
        assert (await hand.verify()).reason == "nothing is loaded (about:blank)"
        await hand.do("browser_navigate", url=f"{site.origin}/p/form")
        assert (await hand.world.goal(hand.done, None)).startswith("goal reached: #a is visible")
        assert (await hand.verify()).passed is True
        unmet = [await hand.box._verifier.unmet(condition(*pair), None) for pair in bad]
        assert all(unmet)
        await hand.do("browser_navigate", url=f"{site.origin}/p/nowhere")
        gone = await hand.box._verifier.unmet(condition("#c", "gone"), None)
        assert "HTTP 404" in gone


async def test_stories_as_the_model_reads_them(news_site) -> None:
    site = news_site()
    async with Hand(vote_task(site)) as hand:
        baseline = await hand.look()
        await hand.do("browser_navigate", url=f"{site.origin}/news")
        rows = json.loads((await hand.do("browser_get_stories")).text)
        assert rows[2] == {
            "rank": 3,
            "id": "103",
            "title": 'Why "trains" wait & see',
            "voted": False,
            "arrow": "#up_103",
        }
    assert baseline["first"] == {"id": "101", "title": "Show: a clock", "arrow": "#up_101", "voted": False}
    assert baseline["nojs"] is True and [s["id"] for s in baseline["stories"]] == ["101", "102", "103", "104"]
    async with Hand(vote_task(site, stories=None)) as hand:
        assert (await hand.world.baseline())[0] is None
        outcome = await hand.do("browser_get_stories")
        assert not outcome.ok and "[stories]" in outcome.text
