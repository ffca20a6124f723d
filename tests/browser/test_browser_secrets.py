"""What the harness fills in never comes back: not in a text, not in an event, not in a pixel."""

from __future__ import annotations

import contextlib
import io
import json
from urllib.parse import quote

import msgspec
import psutil
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


LARGE = "style='width:300px;height:60px;background:#0c0;border:0'"


@pytest.mark.parametrize(
    "field",
    [
        "<input id=f type=password",
        "<input id=f name=password",
        "<input id=f name=user_passwd type=text",
        "<input id=f autocomplete=current-password",
        "<input id=f name=pw",
        "<input id=f placeholder='Your password'",
        "<input id=f aria-label=Passphrase",
        "<label for=f>Password</label><input id=f",
        "<style>#f { -webkit-text-security: disc }</style><input id=f name=x",
        "<input id=f autocomplete=one-time-code",
    ],
)
async def test_c02_a_password_fields_value_is_in_no_snapshot_text_or_frame(news_site, field: str) -> None:
    site = news_site()
    site.pages["/p/c02"] = f"<body style='margin:0'><div>{field} value=hunter2-word {LARGE}></div><input value=seen>"
    async with Hand(vote_task(site)) as hand:
        await hand.do("browser_navigate", url=f"{site.origin}/p/c02")
        await hand.do("browser_snapshot")
        await hand.do("browser_get_text")
        box = await hand.box._there.page.locator("#f").bounding_box()
    (frame,) = hand.frames()
    assert _is_painted(_pixel(hand, frame, box))
    assert "hunter2" not in frame.snapshot + repr(hand.texts) and "seen" in frame.snapshot


async def test_c02_a_password_in_a_frame_of_the_page(news_site) -> None:
    site = news_site()
    site.pages["/p/inner"] = f"<body style='margin:0'><input name=password value=hunter2-word {LARGE}>"
    site.pages["/p/outer"] = "<body style='margin:0'><iframe src=/p/inner width=400 height=200 style='border:0'>"
    async with Hand(vote_task(site)) as hand:
        await hand.do("browser_navigate", url=f"{site.origin}/p/outer")
        await hand.do("browser_snapshot")
    (frame,) = hand.frames()
    assert "hunter2" not in frame.snapshot + repr(hand.texts)
    assert _is_painted(_pixel(hand, frame, {"x": 0, "y": 0, "width": 300, "height": 60}))


async def test_c09_a_frame_of_a_login_that_stuck_shows_nothing_of_it(news_site) -> None:
    """Filled, but its button cannot be pressed: the only moment in which a frame sees a filled login."""
    site = news_site()
    form = f"<form method=post action=login><input name=acct {LARGE}><input name=pw {LARGE}>"
    stuck = "<input type=submit value=login disabled></form>"
    site.pages["/p/login"] = f"<body style='margin:0'>{form}{stuck}"
    async with Hand(vote_task(site)) as hand:
        await hand.do("browser_navigate", url=f"{site.origin}/p/login")
        before = len(hand.frames())
        interlude = await hand.after()
        page = hand.box._there.page
        boxes = [await page.locator(f"input[name={name}]").bounding_box() for name in ("acct", "pw")]
        typed = await page.locator("input[name=pw]").input_value()
    (frame,) = hand.frames()[before:]
    assert typed == PASSWORD and not interlude.message and not interlude.events[0].ok
    assert _is_painted(_pixel(hand, frame, boxes[1])) and not _is_painted(_pixel(hand, frame, boxes[0]))
    assert PASSWORD not in frame.snapshot + repr(hand.events) + repr(hand.texts)


async def test_c07_no_secret_is_in_the_arguments_of_a_process(news_site) -> None:
    """Neither the credential nor the proxy's password, from before the sign-in to after it."""
    async with Hand(vote_task(news_site())) as hand:
        proxy = hand.box._guard._proxy.password
        told = _arguments()
        await hand.vote_first()
        told += _arguments()
    assert hand.box._chromium._marker in told or "--type=renderer" in told
    assert PASSWORD not in told and proxy not in told


def _arguments() -> str:
    me = psutil.Process()
    said = []
    for process in (me, *me.children(recursive=True)):
        with contextlib.suppress(psutil.Error):
            said.append(" ".join(process.cmdline()))
    return "\n".join(said)


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
