"""What the harness fills in never comes back: not in a text, not in an event, not in a pixel."""

from __future__ import annotations

import io
import json
from urllib.parse import quote

import msgspec
import pytest
from PIL import Image

from harness_tui.domain.events import FrameCaptured
from harness_tui.domain.messages import ToolCall
from harness_tui.domain.redaction import HIDDEN

from .agent_hand import RIGHT, Hand, vote_task
from .news_site import PASSWORD

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.usefixtures("one_browser")]

PAINTED = (0x20, 0x20, 0x20)


def _pixel(hand: Hand, frame: FrameCaptured, box: dict[str, float]) -> tuple[int, int, int]:
    """Colour in the middle of a box; JPEG blurs, so it is rounded to 16 steps."""
    image = Image.open(io.BytesIO(hand.blobs.data[frame.sha])).convert("RGB")
    assert image.size == (frame.width, frame.height) == (1280, 800)
    red, green, blue = image.getpixel((int(box["x"] + box["width"] / 2), int(box["y"] + box["height"] / 2)))
    return red // 16, green // 16, blue // 16


def _is_painted(pixel: tuple[int, int, int]) -> bool:
    return pixel == tuple(part // 16 for part in PAINTED)


async def test_a_filled_secret_leaves_in_no_text_event_or_proposal(news_site) -> None:
    """A site that shows the password everywhere it can after the login."""
    site = news_site()
    shown = PASSWORD.replace("<", "&lt;").replace('"', "&quot;")
    site.pages["/p/echo"] = (
        f"<title>{shown}</title><h1 id=h>Hello {shown}</h1><input name=pw2 value='{shown}'>"
        f'<a href="/p/{quote(PASSWORD)}" title="{shown}">{shown}</a><button aria-label="{shown}">b</button>'
    )
    async with Hand(vote_task(site)) as hand:
        await hand.look()
        await hand.vote_first()
        await hand.do("browser_navigate", url="/p/echo")
        for tool in ("browser_get_text", "browser_snapshot", "browser_url"):
            assert (await hand.do(tool)).ok
        clicked = await hand.judge("browser_click", selector="a[title]")
        await hand.do("browser_click", selector="a[title]")
        await hand.do("browser_url")
        refused = await hand.world.judge(ToolCall("z", "browser_fill", {"selector": "input", "value": PASSWORD}), "L2")
        verdict = await hand.verify()
    assert verdict.passed is True
    assert refused.verdict == "refuse" and PASSWORD not in refused.reason
    stored = msgspec.json.encode([[msgspec.to_builtins(e) for e in hand.events], hand.texts, clicked]).decode()
    for form in (PASSWORD, quote(PASSWORD), quote(PASSWORD, safe=""), json.dumps(PASSWORD)[1:-1], shown):
        assert form not in stored and form not in json.loads(json.dumps(stored))
        assert all(form not in text for text in hand.texts)
    assert HIDDEN in stored and PASSWORD not in repr(hand.box._there.redaction)


async def test_secrets_are_painted_over(news_site) -> None:
    site = news_site()
    site.pages["/p/fields"] = (
        "<body style='margin:0;background:#fff;font-size:30px'>"
        "<input id=plain value=seen style='width:300px;height:60px;background:#0c0'><br>"
        "<input id=p type=password value=prefilled style='width:300px;height:60px;background:#0c0'><br>"
        "<input id=typed name=x style='width:300px;height:60px;background:#0c0'><p id=said>said</p>"
    )
    async with Hand(vote_task(site)) as hand:
        await hand.do("browser_navigate", url=f"{site.origin}/p/fields")
        page = hand.box._there.page
        boxes = {name: await page.locator(f"#{name}").bounding_box() for name in ("plain", "p", "typed", "said")}
        (frame,) = hand.frames()
        assert "prefilled" not in frame.snapshot and "seen" in frame.snapshot
        assert _is_painted(_pixel(hand, frame, boxes["p"]))
        assert not _is_painted(_pixel(hand, frame, boxes["plain"])) and not _is_painted(
            _pixel(hand, frame, boxes["typed"])
        )
        # The same word in an ordinary field and in the text, once it is known to be a secret.
        hand.box._there.redaction.add([PASSWORD])
        await page.evaluate("(s) => { typed.value = s; said.textContent = s }", PASSWORD)
        late = await hand.box._frames.capture("late")
        assert _is_painted(_pixel(hand, late, boxes["typed"])) and _is_painted(_pixel(hand, late, boxes["said"]))
        assert not _is_painted(_pixel(hand, late, boxes["plain"])) and PASSWORD not in late.snapshot


async def test_frames_are_bounded(news_site) -> None:
    site = news_site()
    site.pages["/p/long"] = "<title>" + "t" * 900 + "</title>" + "<p>words and words</p>" * 900
    async with Hand(vote_task(site), RIGHT) as hand:
        await hand.do("browser_navigate", url=f"{site.origin}/p/long")
        text = (await hand.do("browser_get_text")).text
    (frame,) = hand.frames()
    assert len(frame.snapshot) == 2_000 and len(frame.title) == 300 and "[ref=" not in frame.snapshot
    assert frame.bytes == len(hand.blobs.data[frame.sha]) and frame.url == f"{site.origin}/p/long"
    assert len(text) < 31_000
