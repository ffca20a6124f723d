"""The demo's site over real HTTP: behaves like the well-known one, survives SIGKILL, ends with its parent."""

from __future__ import annotations

import http.client
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness_tui.demo.records import Records, read_votes
from harness_tui.demo.site import _local
from harness_tui.demo.variants import VARIANTS

from .demo_site import RIGHT, WRONG, SiteProcess, await_port

FIRST, SECOND = "4100", "4107"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[SiteProcess]:
    with SiteProcess(tmp_path) as running:
        yield running


def at(folder: Path, variant: str) -> SiteProcess:
    return SiteProcess(folder, variant)


def votes(site: SiteProcess) -> list[tuple[str, str]]:
    return [(vote["story"], vote["user"]) for vote in read_votes(site.state)]


# -- the usual way -------------------------------------------------------------------------------------------------


def test_the_front_page_lists_thirty_stories_with_arrows(site: SiteProcess) -> None:
    visitor = site.visitor()
    assert visitor.stories()[:2] == [FIRST, SECOND]
    assert len(set(visitor.stories())) == 30
    for story in visitor.stories():
        arrow = f'<a id="up_{story}" class="clicky" title="upvote" aria-label="upvote" href="vote?id={story}&amp;how=up'
        assert arrow in visitor.html
    assert visitor.html.count('<span class="titleline"><a href=') == 30
    assert "un_" not in visitor.html


def test_a_signed_out_vote_meets_a_login_page_that_casts_it(site: SiteProcess) -> None:
    visitor = site.visitor()
    visitor.click_arrow(FIRST)
    assert (visitor.path.split("?")[0], visitor.status) == ("/vote", 200)
    assert visitor.html.count("<form") == visitor.html.count('name="acct"') == visitor.html.count('name="pw"') == 2
    assert votes(site) == []
    visitor.fill_login(*RIGHT)
    assert visitor.path == "/news"
    assert votes(site) == [(FIRST, "demo")]
    assert visitor.voted() == [FIRST]
    assert f'<a id="up_{FIRST}" class="clicky nosee"' in visitor.html
    assert f'<a id="un_{FIRST}"' in visitor.html


def test_a_wrong_password_casts_nothing_and_may_be_tried_again(site: SiteProcess) -> None:
    visitor = site.visitor()
    visitor.click_arrow(FIRST)
    assert "Bad login." in visitor.fill_login(*WRONG)
    assert visitor.path == "/vote"
    assert votes(site) == []
    visitor.fill_login(*RIGHT)
    assert votes(site) == [(FIRST, "demo")]


def test_votes_are_counted_once_and_can_be_taken_back(site: SiteProcess) -> None:
    visitor = site.visitor()
    visitor.get("/login?goto=news")
    visitor.fill_login(*RIGHT)
    visitor.click_arrow(FIRST)
    visitor.click_arrow(FIRST)
    assert votes(site) == [(FIRST, "demo")]
    assert "413 points" in visitor.html
    visitor.get(f"/vote?id={FIRST}&how=un&goto=news")
    assert votes(site) == []
    assert "412 points" in visitor.html


def test_an_account_can_be_created_and_signed_out(site: SiteProcess) -> None:
    visitor = site.visitor()
    visitor.post("/login", acct="nadia", pw="long enough", creating="t", goto="news")
    assert "nadia |" in visitor.html
    visitor.get("/logout")
    assert "nadia" not in visitor.html
    assert "That username is taken." in visitor.post("/login", acct="nadia", pw="another one", creating="t")
    assert "Use 2 to 30 letters" in visitor.post("/login", acct="nadia2", pw="short", creating="t")


@pytest.mark.parametrize("path", ["/item?id=1", "/nothing", "/vote/x", "/..%2f", "/__class__"])
def test_unknown_pages_are_404(site: SiteProcess, path: str) -> None:
    visitor = site.visitor()
    visitor.get(path)
    assert visitor.status == 404


def test_a_bare_vote_page_signs_in_and_casts_nothing(site: SiteProcess) -> None:
    visitor = site.visitor()
    visitor.get("/vote")
    visitor.fill_login(*RIGHT)
    assert "demo |" in visitor.html
    assert votes(site) == []


def test_an_unknown_story_cannot_be_voted_for(site: SiteProcess) -> None:
    visitor = site.visitor()
    visitor.get("/login?goto=news")
    visitor.fill_login(*RIGHT)
    visitor.get("/vote?id=1&how=up&goto=news")
    visitor.get(f"/vote?id={FIRST}&how=sideways")
    assert votes(site) == []


def test_a_form_without_a_sound_length_is_refused(site: SiteProcess) -> None:
    for length in ("x", "-1", "99999999"):
        link = http.client.HTTPConnection("127.0.0.1", site.port, timeout=60)
        link.putrequest("POST", "/login")
        link.putheader("Content-Length", length)
        link.endheaders()
        assert link.getresponse().status == 413
        link.close()


@given(st.text())
def test_goto_never_leads_away(goto: str) -> None:
    assert re.fullmatch(r"[a-z]+(\?[a-z]+=\w+)?", _local(goto))


def test_markup_in_what_people_send_stays_text(site: SiteProcess) -> None:
    visitor = site.visitor()
    visitor.get("/vote?id=%22%3E%3Cscript%3E&how=up&goto=news")
    assert "<script>" not in visitor.html


# -- durability and the process ------------------------------------------------------------------------------------


def test_sigkill_loses_neither_votes_nor_sessions(site: SiteProcess) -> None:
    visitor = site.visitor()
    visitor.click_arrow(FIRST)
    visitor.fill_login(*RIGHT)
    site.end(signal.SIGKILL)
    site.start()
    assert visitor.voted() == [FIRST]
    visitor.click_arrow(SECOND)
    assert votes(site) == [(FIRST, "demo"), (SECOND, "demo")]


def test_the_state_file_is_private_whole_and_holds_no_secret(site: SiteProcess) -> None:
    visitor = site.visitor()
    visitor.click_arrow(FIRST)
    visitor.fill_login(*RIGHT)
    text = site.state.read_text()
    assert stat.S_IMODE(site.state.stat().st_mode) == 0o600
    assert RIGHT[1] not in text
    assert visitor.cookie.partition("=")[2] not in text
    assert [entry.name for entry in site.state.parent.iterdir()] == ["state.json"]


def test_a_change_that_cannot_be_written_did_not_happen(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    records = Records(folder / "state.json")
    shutil.rmtree(folder)
    with pytest.raises(FileNotFoundError):
        records.vote(FIRST, "demo")
    assert records.votes_of("demo") == set()


def test_it_listens_on_loopback_only(site: SiteProcess) -> None:
    listening = [c for c in psutil.Process(site.process.pid).net_connections() if c.status == psutil.CONN_LISTEN]
    assert [(c.laddr.ip, c.laddr.port) for c in listening] == [("127.0.0.1", site.port)]


def test_sigterm_is_a_clean_stop(site: SiteProcess) -> None:
    assert site.end() == 0


def test_it_ends_with_its_parent(tmp_path: Path, site: SiteProcess) -> None:
    site.end()
    script = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen(sys.argv[1:])\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script, *site.argv], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    try:
        await_port(site.port)
        parent.kill()
        parent.wait(60)
        parent.stdout.close()
        until = time.monotonic() + 60
        while child.is_running() and child.status() != psutil.STATUS_ZOMBIE and time.monotonic() < until:
            time.sleep(0.02)
        assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
    finally:
        parent.kill()
        if child.is_running():
            child.kill()


def test_a_busy_port_is_waited_for(site: SiteProcess) -> None:
    """After a crash the site of the engine before may still be leaving."""
    second = subprocess.Popen(site.argv, env={**os.environ, "HARNESS_TUI_DEMO_USER": ""})
    try:
        visitor = site.visitor()
        visitor.get("/ready")
        site.end()
        until = time.monotonic() + 60
        while time.monotonic() < until:
            try:
                assert len(visitor.stories()) == 30
                break
            except OSError:
                time.sleep(0.02)
        assert second.poll() is None
    finally:
        second.kill()
        second.wait(60)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"votes": []}', "\udcff"])
def test_a_broken_state_file_is_one_sentence_and_exit_78(tmp_path: Path, text: str) -> None:
    state = tmp_path / "state.json"
    state.write_bytes(text.encode("utf-8", "surrogateescape"))
    argv = [sys.executable, "-m", "harness_tui.demo.site", "--port", "0", "--state", str(state)]
    ended = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 78
    assert ended.stderr.startswith("The demo site cannot start: ")
    assert ended.stderr.count("\n") == 1


def test_a_missing_state_file_has_no_votes(tmp_path: Path) -> None:
    assert read_votes(tmp_path / "none.json") == []


# -- variants ------------------------------------------------------------------------------------------------------


def test_login_returns_without_the_vote(tmp_path: Path) -> None:
    with at(tmp_path, "login_returns") as site:
        visitor = site.visitor()
        visitor.click_arrow(FIRST)
        visitor.fill_login(*RIGHT)
        assert (visitor.path, votes(site)) == ("/news", [])
        visitor.click_arrow(FIRST)
        assert votes(site) == [(FIRST, "demo")]


def test_no_ids_leaves_only_hrefs(tmp_path: Path) -> None:
    with at(tmp_path, "no_ids") as site:
        visitor = site.visitor()
        visitor.click_arrow(FIRST)
        visitor.fill_login(*RIGHT)
        assert "up_" not in visitor.html and "un_" not in visitor.html
        assert visitor.voted() == [FIRST]


def test_already_voted_shows_once_signed_in(tmp_path: Path) -> None:
    with at(tmp_path, "already_voted") as site:
        visitor, before = site.visitor(), read_votes(site.state)
        assert [(vote["story"], vote["user"]) for vote in before] == [(FIRST, "demo")]
        assert visitor.voted() == []
        visitor.click_arrow(FIRST)
        visitor.fill_login(*RIGHT)
        assert visitor.voted() == [FIRST]
        assert read_votes(site.state) == before


def test_reorder_moves_what_was_voted_for(tmp_path: Path) -> None:
    with at(tmp_path, "reorder") as site:
        visitor = site.visitor()
        before = visitor.stories()
        visitor.click_arrow(FIRST)
        visitor.fill_login(*RIGHT)
        assert visitor.stories() == [*before[1:5], FIRST, *before[5:]]
        assert visitor.voted() == [FIRST]


def test_wrong_story_votes_for_the_second(tmp_path: Path) -> None:
    with at(tmp_path, "wrong_story") as site:
        visitor = site.visitor()
        visitor.click_arrow(FIRST)
        visitor.fill_login(*RIGHT)
        assert (visitor.voted(), votes(site)) == ([SECOND], [(SECOND, "demo")])


def test_no_vote_200_says_thank_you_for_nothing(tmp_path: Path) -> None:
    with at(tmp_path, "no_vote_200") as site:
        visitor = site.visitor()
        visitor.click_arrow(FIRST)
        visitor.fill_login(*RIGHT)
        assert "Your vote was counted." in visitor.click_arrow(FIRST)
        assert visitor.status == 200
        assert (visitor.voted(), votes(site)) == ([], [])


def test_login_wall_lets_nobody_through(tmp_path: Path) -> None:
    with at(tmp_path, "login_wall") as site:
        visitor = site.visitor()
        visitor.get("/news")
        assert visitor.path == "/login?goto=news"
        assert "Bad login." in visitor.fill_login(*RIGHT)


def test_wrong_password_refuses_what_the_environment_says(tmp_path: Path) -> None:
    with at(tmp_path, "wrong_password") as site:
        visitor = site.visitor()
        visitor.click_arrow(FIRST)
        assert "Bad login." in visitor.fill_login(*RIGHT)
        assert votes(site) == []


def test_hidden_arrow_ships_the_script_that_hides_it(tmp_path: Path) -> None:
    with at(tmp_path, "hidden_arrow") as site:
        assert "localStorage" in site.visitor().get("/news")


def test_down_answers_503_but_says_it_is_up(tmp_path: Path) -> None:
    with at(tmp_path, "down") as site:
        visitor = site.visitor()
        for path in ("/news", "/login", f"/vote?id={FIRST}&how=up"):
            visitor.get(path)
            assert visitor.status == 503
        visitor.post("/login", acct="demo", pw="x")
        assert visitor.status == 503
        visitor.get("/ready")
        assert visitor.status == 200


def test_slow_never_finishes_a_page_and_still_stops(tmp_path: Path) -> None:
    with at(tmp_path, "slow") as site:
        with socket.create_connection(("127.0.0.1", site.port), 5) as link:
            link.sendall(b"GET /news HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b"<title>" in link.recv(4096) + link.recv(4096)
            site.visitor().get("/ready")
        assert site.end() == 0


def test_every_variant_is_described() -> None:
    assert all(VARIANTS.values()) and "normal" in VARIANTS
