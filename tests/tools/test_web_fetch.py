"""web_fetch: what it sends, which redirects it follows, what it returns, how a call is weighed (N01, N06, N08, N13)."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from harness_tui.domain.messages import ToolCall
from harness_tui.domain.network.reach import Reach
from harness_tui.domain.network.targets import Target, target
from harness_tui.domain.rules import Rule
from harness_tui.domain.seams import ToolOutcome
from harness_tui.domain.task import Level
from harness_tui.tools.environment import RunEnvironment
from harness_tui.tools.network.connect import Connector
from harness_tui.tools.web.box import TOO_LONG, WebBox
from harness_tui.tools.web.fetch import follows
from harness_tui.tools.web.search import NONE

from ..network.wire import Site, answering, connects, response

PAGE = b"<title>A &amp; B</title><nav>menu</nav><p>Hello <b>world</b>!<script>evil()</script><p>End<footer>f</footer>"


def call(url: str, **arguments: Any) -> ToolCall:
    return ToolCall("c", "web_fetch", {"url": url, **arguments})


def told(outcome: ToolOutcome) -> Any:
    return json.loads(outcome.text)


async def test_a_page_comes_as_text_and_nothing_of_ours_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Site(response(PAGE, content_type="text/html; charset=utf-8", set_cookie="a=b")) as site:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, "http://127.0.0.1:1")
        box = WebBox(Reach(site.url))
        for _ in range(2):
            outcome = await box.perform(call(f"{site.url}/a?b#c"))
        assert outcome.ok
        url = f"{site.url}/a?b"
        assert told(outcome) == {
            **{"status": 200, "url": url, "content_type": "text/html", "title": "A & B", "text": "Hello world!\nEnd"}
        }
        names = {line.partition(":")[0] for line in site.heads[1].decode().splitlines()[1:] if line}
        assert site.heads[1].startswith(b"GET /a?b HTTP/1.1\r\n")
        assert names == {"Host", "User-Agent", "Accept", "Accept-Encoding", "Connection"}


@pytest.mark.parametrize(
    ("status", "media", "body", "expected"),
    [
        ("200 OK", "application/json", b'{"a": 1}', {"text": '{"a": 1}'}),
        ("200 OK", "image/png", b"\x89PNG\0", {"bytes": 5}),
        ("200 OK", "application/octet-stream", b"MZ\0", {"bytes": 3}),
        ("404 Not Found", "text/plain", b"gone", {"status": 404, "text": "gone"}),
        ("500 Oops", "text/plain", b"", {"status": 500, "text": ""}),
    ],
)
async def test_other_types_are_passed_through_or_measured(
    status: str, media: str, body: bytes, expected: dict[str, Any]
) -> None:
    async with Site(response(body, status, content_type=media)) as site:
        outcome = await WebBox(Reach(site.url)).perform(call(site.url))
    assert outcome.ok is status.startswith("2")
    assert expected.items() <= told(outcome).items()


async def test_of_a_long_text_head_and_tail_are_kept() -> None:
    text = "".join(f"{number:05}\n" for number in range(2_000))
    async with Site(response(text.encode(), content_type="text/plain")) as site:
        said = told(await WebBox(Reach(site.url)).perform(call(site.url, max_chars=1_000)))
    assert said["original_chars"] == 12_000
    assert len(said["text"]) == 1_000
    head, tail = said["text"].split("[... ")
    assert text.startswith(head.rstrip("\n")) and text.endswith(tail.partition("...]\n")[2])
    assert 3.5 < len(head) / len(tail.partition("...]\n")[2]) < 4.5


def moving(*locations: str) -> Any:
    """A script that redirects path /N to the Nth location and answers anything else."""

    async def script(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = head.split()[1].decode()[1:]
        if path.isdigit():
            port = str(writer.get_extra_info("sockname")[1])
            location = locations[min(int(path), len(locations) - 1)].replace("PORT", port)
            writer.write(response(status="302 Found", Location=location))
        else:
            writer.write(response(b"there", content_type="text/plain"))

    return script


async def test_a_redirect_on_the_same_host_is_followed() -> None:
    async with Site(moving("/1", "http://127.0.0.1:PORT/2", "//127.1:PORT/3", "?x=/4", "/end")) as site:
        outcome = await WebBox(Reach(site.url)).perform(call(f"{site.url}/0"))
    assert outcome.ok and told(outcome)["url"] == f"{site.url}/3?x=/4"


@pytest.mark.parametrize(
    ("asked", "onward", "followed"),
    [
        ("http://example.com/", "https://example.com/", True),
        ("http://example.com/", "https://www.example.com/", True),
        ("https://www.example.com/a", "https://example.com/b", True),
        ("http://example.com:8080/", "http://example.com:8080/b", True),
        ("https://example.com/", "http://example.com/", False),
        ("http://example.com/", "http://example.com:8080/", False),
        ("http://example.com:8080/", "https://example.com/", False),
        ("https://example.com/", "https://a.example.com/", False),
        ("https://example.com/", "https://example.com.evil.com/", False),
        ("https://example.com/", "https://named.example/", True),
        ("https://example.com/", "http://named.example/", False),
    ],
)
def test_a_redirect_stays_where_the_operator_said_yes(asked: str, onward: str, followed: bool) -> None:
    first, then = target(asked), target(onward)
    assert isinstance(first, Target) and isinstance(then, Target)
    assert follows(first, first, then, Reach(allow_hosts=("named.example",))) is followed


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://127.0.0.1:1/",
        "http://[::ffff:7f00:1]/",
        "http://2852039166/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:PORT/_x",
        "http://a@127.0.0.1:PORT/",
        "http://localhost:PORT/",
        "http://[",
        "\u0007http://x/",
    ],
)
async def test_a_redirect_to_where_nothing_may_go_is_an_error(location: str) -> None:
    async with Site(moving(location)) as site:
        with connects() as seen:
            outcome = await WebBox(Reach(site.url)).perform(call(f"{site.url}/0"))
        assert seen == [("127.0.0.1", site.port)]
    assert not outcome.ok and "which is refused" in outcome.text


async def test_twenty_hops_are_five() -> None:
    async with Site(moving(*(f"/{number}" for number in range(1, 21)))) as site:
        outcome = await WebBox(Reach(site.url)).perform(call(f"{site.url}/0"))
        assert len(site.heads) == 6
    assert not outcome.ok and "more than 5 times" in outcome.text


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_redirect_to_another_host_is_told_and_not_followed(scheme: str) -> None:
    async with Site(moving(f"{scheme}://other.example/x?y")) as site:
        box = WebBox(Reach(site.url), connector=Connector(Reach(site.url), answering("1.1.1.1")))
        with connects() as seen:
            outcome = await box.perform(call(f"{site.url}/0"))
    assert seen == [("127.0.0.1", site.port)]
    assert not outcome.ok and told(outcome)["moved_to"] == f"{scheme}://other.example/x?y"


# -- weighing ------------------------------------------------------------------------------------------------------


async def judged(url: str, level: Level, reach: Reach, *rules: Rule) -> tuple[str, str]:
    world = RunEnvironment((WebBox(reach),), level=level, rules=lambda: rules)
    with connects() as seen:
        said = await world.judge(call(url), level)
    assert not seen
    return said.verdict, said.rule


NAMED = Reach("http://127.0.0.1:8000/start", ("*.intranet.example",))
PUBLIC = Rule("allow", "web_fetch", host="example.com", id="r1")


@pytest.mark.parametrize(
    ("url", "level", "expected"),
    [
        ("https://example.com/", "L2", ("ask", "L2")),
        ("https://example.com/", "L1", ("refuse", "L1")),
        ("https://example.com/", "L3", ("refuse", "L3")),
        ("http://127.0.0.1:8000/x", "L2", ("allow", "named by the operator")),
        ("http://a.intranet.example/", "L3", ("allow", "named by the operator")),
        ("http://127.0.0.1:8000/x", "L1", ("refuse", "L1")),
        ("http://127.0.0.1:8001/", "L2", ("refuse", "guard")),
        ("http://169.254.169.254/", "L2", ("refuse", "guard")),
        ("http://0x7f.1/", "L2", ("refuse", "guard")),
        ("https://example.com@evil.com/", "L2", ("refuse", "guard")),
        ("file:///etc/passwd", "L2", ("refuse", "guard")),
        ("http://localhost/", "L2", ("refuse", "guard")),
        ("", "L2", ("refuse", "guard")),
    ],
)
async def test_a_call_is_weighed_without_a_name_server(url: str, level: Level, expected: tuple[str, str]) -> None:
    assert await judged(url, level, NAMED) == expected


async def test_rules_know_hosts_and_no_rule_opens_the_guard() -> None:
    assert await judged("https://EXAMPLE.com:443/x", "L3", NAMED, PUBLIC) == ("allow", "r1")
    assert (await judged("https://example.com.evil.com/", "L2", NAMED, PUBLIC))[0] == "ask"
    everything = Rule("allow", "*", id="r2")
    assert (await judged("http://10.0.0.1/", "L2", NAMED, everything))[0] == "refuse"
    deny = Rule("deny", "web_fetch", host="127.0.0.1:8000", id="r3")
    assert await judged("http://127.0.0.1:8000/", "L2", NAMED, deny) == ("refuse", "r3")


async def test_the_card_shows_what_is_sent_and_says_when_a_url_may_carry_data_out() -> None:
    box = WebBox(Reach())
    short = (await box.weigh(call("HTTPS://Bücher.example/ü#f"), "L2")).proposal
    assert {fact.label: fact.value for fact in short.facts} == {
        "tool": "web_fetch",
        "url": "https://xn--bcher-kva.example/%C3%BC",
        "host": "xn--bcher-kva.example",
        "sends": "GET https://xn--bcher-kva.example/%C3%BC",
    }
    assert short.risk == "med"
    long = (await box.weigh(call("https://example.com/?q=" + "x" * TOO_LONG), "L2")).proposal
    assert long.risk == "high" and long.facts[-1].label == "carries"


async def test_a_search_without_an_engine_says_how_to_get_one() -> None:
    searching = ToolCall("c", "web_search", {"query": "x"})
    box = WebBox(Reach())
    assert (await box.weigh(searching, "L2")).refusal == NONE == (await box.perform(searching)).text

    class Engine:
        async def search(self, query: str, limit: int) -> ToolOutcome:
            return ToolOutcome(True, f"{query} {limit}")

    with_engine = WebBox(Reach(), search=Engine())
    assert (await with_engine.perform(searching)).text == "x 8"
    world = RunEnvironment((with_engine,), level="L2")
    assert (await world.judge(searching, "L2")).verdict == "ask"
    assert (await world.judge(ToolCall("c", "web_search", {"query": "x", "limit": 21}), "L2")).why == "malformed"
