"""The pure rules: arguments, URLs, links that must ask, ids in selectors, redaction."""

from __future__ import annotations

import base64
import html
import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness_tui.domain.network.reach import Reach
from harness_tui.domain.redaction import HIDDEN, Redaction
from harness_tui.domain.seams import Performed
from harness_tui.domain.task import BROWSER_TOOLS, Login, TaskFile
from harness_tui.tools.browser.login import LoginRule
from harness_tui.tools.browser.policy import Rules, covers, malformed, normalise, origin, trusted, with_id
from harness_tui.tools.browser.tools import SPECS
from harness_tui.tools.browser.verify import performed

BASE = "http://news.example/list/front?p=1"


def test_every_tool_of_the_contract_is_there() -> None:
    assert set(SPECS) == set(BROWSER_TOOLS)
    assert {n for n, s in SPECS.items() if s.risk == "destructive"} == {
        "browser_click",
        "browser_fill",
        "browser_select",
    }
    assert [n for n, s in SPECS.items() if s.risk == "network"] == ["browser_navigate"]


@pytest.mark.parametrize(
    ("given_url", "expected"),
    [
        ("HTTP://News.Example:80", "http://news.example/"),
        ("../vote?id=1#top", "http://news.example/vote?id=1"),
        ("//news.example/a/./b/../c", "http://news.example/a/c"),
        ("/%76ote?id=%31", "http://news.example/vote?id=1"),
        ("/a%2fb%20c", "http://news.example/a%2Fb%20c"),
        ("/a%2525%00", "http://news.example/a%2525%00"),
        ("/\u00e9%C3%a9", "http://news.example/%C3%A9%C3%A9"),
        ("?id=2", "http://news.example/list/front?id=2"),
        ("ht\ntp://news.example/x", "http://news.example/x"),
        ("https://news.example:443/x", "https://news.example/x"),
        ("http:\\\\news.example\\x", "http://news.example/x"),
        ("javascript:alert(1)", ""),
        ("file:///etc/passwd", ""),
        ("data:text/html,x", ""),
        ("http://news.example@evil.example/", ""),
        ("http://news.example:99999/", ""),
        ("http://[::1", ""),
    ],
)
def test_normalise(given_url: str, expected: str) -> None:
    assert normalise(given_url, BASE) == expected


@given(st.text(max_size=40))
def test_normalise_settles_and_never_raises(path: str) -> None:
    once = normalise(path, BASE)
    assert normalise(once, BASE) == once if once else True
    assert once == "" or covers(once, once)


@pytest.mark.parametrize(
    ("asked", "covered"),
    [
        ("http://h/vote?id=1&how=up", True),
        ("http://h/vote?how=up&id=1", True),
        ("http://h/vote/?how=up&id=1&x=2", True),
        ("http://h/VOTE?id=1&how=up", True),
        ("http://h/vote?id=2&how=up", False),
        ("http://h/item?id=1&how=up", False),
        ("http://h:81/vote?id=1&how=up", False),
    ],
)
def test_a_link_covers_what_acts_alike(asked: str, covered: bool) -> None:
    assert covers("http://h/vote?id=1&how=up", normalise(asked)) is covered


def test_rules_of_a_task() -> None:
    login = Login(origin="https://id.example", user_field="u", password_field="p", submit="s", credential="env:A,B")
    globs = ("http://h/*", "https://*.wild.example/*")
    hosts = ("ok.example", "127.0.0.1:9", "*.below.example")
    task = TaskFile(prompt="x", start_url="http://h/news#top", allow_urls=globs, login=login, allow_hosts=hosts)
    rules = Rules(task, Reach(task.start_url, hosts))
    ours = (
        "http://h:80/x",
        "https://id.example/",
        "https://ok.example/",
        "http://127.0.0.1:9/",
        "http://ok.example:8/",
        "http://a.below.example/",
    )
    foreign = ("http://127.0.0.1:8/", "https://h/", "https://a.wild.example/", "http://h.evil.example/", "about:blank")
    foreign += ("http://below.example/", "http://a.ok.example/", "http://h@evil.example/")
    assert all(map(rules.ours, ours)) and not any(map(rules.ours, foreign))
    rules.remember(["http://h/vote?id=1", "http://h/news", "javascript:x", "http://h/news#later"])
    assert rules.free("http://h/news") and rules.free("http://h/item?id=1")
    assert not rules.free("http://h/vote?id=1") and not rules.free("https://id.example/")
    rules.remember(f"http://h/page/{number}" for number in range(6_000))
    assert not rules.free("http://h/item?id=1"), "past the bound every navigation asks"
    assert rules.free("http://h/news")


def test_credentials_travel_over_https_or_on_loopback() -> None:
    assert all(map(trusted, ("https://a.example", "http://127.0.0.1:80", "http://localhost:1", "http://[::1]:1")))
    assert not any(map(trusted, ("http://a.example", "http://127.0.0.1.evil.example", "ftp://localhost", "")))
    assert origin("http://example.com@evil.io/") == "http://evil.io"


@pytest.mark.parametrize(
    ("page", "bound"),
    [
        ("https://acct.example.com.evil.io/login", "https://acct.example.com"),
        ("https://acct.example.com@evil.io/login", "https://acct.example.com"),
        ("https://example.com/login", "https://acct.example.com"),
        ("https://sub.acct.example.com/login", "https://acct.example.com"),
        ("https://acct.example.com:8443/login", "https://acct.example.com"),
        ("http://acct.example.com/login", "https://acct.example.com"),
        ("http://acct.example.com/login", "http://acct.example.com"),
        ("http://127.0.0.1.evil.io/login", "http://127.0.0.1"),
        ("about:blank", "https://acct.example.com"),
        ("data:text/html,<form>", "https://acct.example.com"),
        ("blob:https://acct.example.com/1", "https://acct.example.com"),
        ("https://acct.ex\u0430mple.com/login", "https://acct.example.com"),
    ],
)
def test_c03_a_credential_is_bound_to_one_origin(page: str, bound: str) -> None:
    login = Login(origin=bound, user_field="u", password_field="p", submit="s", credential="env:A,B")
    assert LoginRule(login, None, None).objection(page).startswith("refuses to fill credentials on ")
    assert LoginRule(login, None, None).objection(f"{bound}/login") == "" or bound == "http://acct.example.com"


def test_arguments_against_the_schema() -> None:
    spec = SPECS["browser_fill"]
    assert malformed({"selector": "a", "value": "b"}, spec.schema) == ""
    wrong = malformed({"selector": 3, "text": "b", "approved": True}, spec.schema)
    assert "value is missing" in wrong and "'text' is no argument" in wrong and "selector must be a string" in wrong
    assert "'approved' is no argument" in wrong and wrong.endswith("(it takes: selector, value)")


def test_an_id_of_the_page_never_becomes_css_of_its_own() -> None:
    assert with_id("#up_{id}", "42") == "#up_42"
    assert with_id("#{id}", "42") == "#\\34 2"
    assert with_id("a[href='v?id={id}']", "1'], *") == "a[href='v?id=1\\27 \\5d \\2c \\20 \\2a ']"


def test_trace_conditions() -> None:
    first = {"id": "7", "arrow": "a[href='v?id=7']", "title": 'A "b" *'}
    click = [Performed("browser_click", {"selector": "a[href='v?id=7']"}, True)]
    assert performed("browser_click *{first.arrow}*", click, first)
    assert performed("browser_click", click, first) and performed("browser_* *7*", click, None)
    assert not performed("browser_click *{first.id}*", [Performed("browser_click", {"selector": "#up_8"}, True)], first)
    assert not performed("browser_click *7*", [Performed("browser_click", {"selector": "#up_7"}, False)], first)
    assert performed("browser_fill *{first.title}*", [Performed("browser_fill", {"value": 'A "b" *'}, True)], first)
    assert not performed("browser_fill *{first.title}*", [Performed("browser_fill", {"value": 'A "b" c'}, True)], first)


@given(st.text(st.characters(codec="utf-8", exclude_characters=" \t\n\r\x0b\x0c"), min_size=6, max_size=20))
def test_a_secret_is_hidden_in_every_form_it_travels_in(secret: str) -> None:
    if not secret.strip() or " ".join(secret.split()) != secret:
        return
    hide = Redaction()
    hide.add([secret])
    raw = secret.encode()
    encoded = base64.b64encode(raw).decode().rstrip("=")
    forms = [
        secret,
        quote(secret, safe=""),
        quote_plus(secret),
        html.escape(secret),
        json.dumps(secret),
        raw.hex(),
        encoded,
    ]
    for form in forms:
        assert form.strip('"') not in hide(f"<{form}>") and HIDDEN in hide(f"<{form}>")
    assert secret not in repr(hide)


def test_a_short_secret_is_hidden_as_a_word_only() -> None:
    hide = Redaction()
    hide.add(["ab", ""])
    assert hide("ab cab: ab") == f"{HIDDEN} cab: {HIDDEN}"
