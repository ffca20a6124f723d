"""The news site that ships with the demo: a real HTTP server on loopback that behaves like the well-known one.

`python -m harness_tui.demo.site --port N --state FILE [--variant V]`. Its one account comes from the environment
(HARNESS_TUI_DEMO_USER, HARNESS_TUI_DEMO_PASSWORD). It ends with its parent and on SIGTERM. Standard library only, so
that it is up in a moment. The variants are the ways in which real sites surprise an agent or a verifier.
"""

from __future__ import annotations

import argparse
import errno
import os
import re
import secrets
import signal
import sys
import threading
import time
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer
from urllib.parse import parse_qs, urlsplit

from . import pages
from .records import Records
from .stories import Story
from .variants import PASSWORD, READY, USER, VARIANTS

_MAX_FORM = 64 * 1024
_GOTO = re.compile(r"[a-z]+(\?[a-z]+=\w+)?")
_PARENT_POLL = 0.25
_PATIENCE = 10.0
"""Seconds to wait for the port: after a crash the site of the engine before us may still be leaving."""


class Site(ThreadingHTTPServer):
    """The server: its records, and the variant it plays."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, port: int, state: Path, variant: str, ending: threading.Event) -> None:
        """Bind, read the state file, listen: in this order, so that the file has one writer and an answer means `up`.

        Raises OSError when the port is taken, ValueError when the file is broken.
        """
        self.variant = variant
        self.ending = ending
        super().__init__(("127.0.0.1", port), Page, bind_and_activate=False)
        try:
            self.server_bind()
            self.records = self._open_records(state)
            self.server_activate()
        except BaseException:
            self.server_close()
            raise

    def server_bind(self) -> None:
        """Bind without the base class's look-up of our own name, which waits for DNS where there is none."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]

    def _open_records(self, path: Path) -> Records:
        """The records; the environment's account is added last, so that a site killed while seeding seeds again."""
        records = Records(path)
        user, password = os.environ.get(USER, ""), os.environ.get(PASSWORD, "")
        if user and not records.knows(user):
            if self.variant == "already_voted":
                records.vote(records.stories[0]["id"], user)
            records.create(user, secrets.token_hex(16) if self.variant == "wrong_password" else password)
        return records

    def listing(self) -> list[tuple[Story, int]]:
        """Stories in the order shown, with their points."""
        stories, voted = self.records.stories, self.records.voted_stories
        if self.variant == "reorder" and voted:
            rest = [story for story in stories if story["id"] not in voted]
            stories = rest[:4] + [story for story in stories if story["id"] in voted] + rest[4:]
        return [(story, story["points"] + (story["id"] in voted)) for story in stories]

    def cast(self, story: str, how: str, user: str) -> None:
        """Do what the vote link says, as far as the variant lets it."""
        stories = self.records.stories
        if self.variant == "wrong_story" and story == stories[0]["id"]:
            story = stories[1]["id"]
        if self.variant == "no_vote_200" or story not in {known["id"] for known in stories}:
            return
        if how == "up":
            self.records.vote(story, user)
        elif how == "un":
            self.records.unvote(story, user)

    def handle_error(self, request: object, client_address: object) -> None:
        """A browser that hangs up is no news; anything else is one line on stderr."""
        error = sys.exception()
        if not isinstance(error, ConnectionError):
            sys.stderr.write(f"demo site: {type(error).__name__}: {error}\n")


class Page(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    server: Site

    def log_message(self, format: str, *args: object) -> None:
        """Silent: the trace belongs to whoever drives the browser."""

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        asked = {key: values[-1] for key, values in parse_qs(url.query).items()}
        if not self._misbehaves(url.path):
            getattr(self, f"_get_{url.path.strip('/') or 'news'}", self._missing)(asked)

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > _MAX_FORM:
            self.close_connection = True
            return self._answer(413, pages.said("Too large", "That form is too large."))
        body = self.rfile.read(int(length)).decode("utf-8", "replace")
        form = {key: values[-1] for key, values in parse_qs(body).items()}
        path = urlsplit(self.path).path
        if self._misbehaves(path):
            return None
        return self._sign_in(path.strip("/"), form) if path in ("/login", "/vote") else self._missing(form)

    # -- pages ---------------------------------------------------------------------------------------------------

    def _get_news(self, asked: dict[str, str]) -> None:
        if self.server.variant == "login_wall":
            return self._redirect("login?goto=news")
        user = self._user()
        page = pages.news(
            self.server.listing(),
            user=user,
            voted=self.server.records.votes_of(user) if user else set(),
            arrow_ids=self.server.variant != "no_ids",
            script=pages.HIDING_SCRIPT if self.server.variant == "hidden_arrow" else "",
        )
        return self._answer(200, page)

    def _get_item(self, asked: dict[str, str]) -> None:
        for story in self.server.records.stories:
            if story["id"] == asked.get("id"):
                return self._answer(200, pages.said(story["title"], "Nobody has commented yet.", self._user()))
        return self._missing(asked)

    def _get_vote(self, asked: dict[str, str]) -> None:
        user = self._user()
        if not user:
            hidden = {key: asked.get(key, "") for key in ("id", "how", "goto")}
            return self._answer(200, pages.login("vote", hidden, notes=["You have to be logged in to vote."]))
        self.server.cast(asked.get("id", ""), asked.get("how", ""), user)
        if self.server.variant == "no_vote_200":
            return self._answer(200, pages.said("Thank you", "Your vote was counted.", user))
        return self._redirect(_local(asked.get("goto", "")))

    def _get_login(self, asked: dict[str, str]) -> None:
        self._answer(200, pages.login("login", {"goto": _local(asked.get("goto", ""))}))

    def _get_logout(self, asked: dict[str, str]) -> None:
        self.server.records.sign_out(self._token())
        self._redirect("news", cookie="user=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax")

    def _get_ready(self, asked: dict[str, str]) -> None:
        self._answer(200, "ready")

    def _missing(self, asked: dict[str, str]) -> None:
        self._answer(404, pages.said("Not found", "There is no such page."))

    def _sign_in(self, action: str, form: dict[str, str]) -> None:
        user, password = form.get("acct", ""), form.get("pw", "")
        records = self.server.records
        hidden: dict[str, str] = {key: form[key] for key in ("id", "how", "goto") if key in form}
        if form.get("creating"):
            usable = re.fullmatch(r"\w{2,30}", user) and len(password) >= 8
            if not usable or not records.create(user, password):
                bad = "That username is taken." if usable else "Use 2 to 30 letters, and 8 or more for the password."
                return self._answer(200, pages.login(action, hidden, bad=bad))
        elif self.server.variant == "login_wall" or not records.accepts(user, password):
            return self._answer(200, pages.login(action, hidden, bad="Bad login."))
        if action == "vote" and self.server.variant != "login_returns":
            self.server.cast(form.get("id", ""), form.get("how", ""), user)
        cookie = f"user={records.sign_in(user)}; Path=/; HttpOnly; SameSite=Lax"
        return self._redirect(_local(form.get("goto", "")), cookie=cookie)

    # -- the wire ------------------------------------------------------------------------------------------------

    def _misbehaves(self, path: str) -> bool:
        """Whether the variant has answered (or not answered) instead of the page."""
        if path == READY or self.server.variant not in ("down", "slow"):
            return False
        if self.server.variant == "down":
            self._answer(503, pages.said("Down", "We are having some trouble serving your request. Sorry!"))
            return True
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", "1000000")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>Harbour News</title><p>")
        while not self.server.ending.wait(1.0):
            self.wfile.write(b".")
            self.wfile.flush()
        self.close_connection = True
        return True

    def _token(self) -> str:
        try:
            morsel = SimpleCookie(self.headers.get("Cookie", "")).get("user")
        except CookieError:
            return ""
        return morsel.value if morsel else ""

    def _user(self) -> str:
        return self.server.records.user_of(self._token())

    def _answer(self, status: int, page: str) -> None:
        body = page.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def _redirect(self, to: str, *, cookie: str = "") -> None:
        self.send_response(302)
        self.send_header("Location", f"/{to}")
        self.send_header("Content-Length", "0")
        if cookie:
            self.send_header("Set-Cookie", cookie)
        self.end_headers()


def _local(goto: str) -> str:
    """Where to go next: a page of ours and nothing else."""
    return goto if _GOTO.fullmatch(goto) else "news"


def _started(port: int, state: Path, variant: str, ending: threading.Event) -> Site:
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            return Site(port, state, variant, ending)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() > until or ending.wait(_PARENT_POLL / 2):
                raise


def _end_with_parent(site: Site, parent: int) -> None:
    """Polled rather than asked of the kernel: PR_SET_PDEATHSIG fires when the *thread* that started us ends."""
    while os.getppid() == parent and not site.ending.wait(_PARENT_POLL):
        pass
    site.ending.set()
    site.shutdown()


def main() -> int:
    """Serve until SIGTERM, SIGINT or the parent's end. Exit 78 when port or state file cannot be used."""
    parent = os.getppid()
    parser = argparse.ArgumentParser(prog="harness_tui.demo.site", description="The demo's news site, on loopback.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--variant", choices=VARIANTS, default="normal")
    given = parser.parse_args()
    ending = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ending.set())
    try:
        site = _started(given.port, given.state, given.variant, ending)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"The demo site cannot start: {error}. Start the demo again for a fresh one.\n")
        return 78
    threading.Thread(target=_end_with_parent, args=(site, parent), daemon=True).start()
    site.serve_forever(poll_interval=_PARENT_POLL)
    site.server_close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
