"""Two news sites that have nothing in common with the demo's: a link board (lists, buttons, classes) and a forum.

Both keep their votes in memory and tell who voted for what: what the harness claims is held against that.
"""

from __future__ import annotations

import secrets
import threading
from html import escape
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

USER, PASSWORD = "grace", "p&ss=w%rd <1>"


class Site:
    """What both share: accounts, sessions, votes, and a server on loopback.

    Attributes:
        votes: (user, story) in the order they were cast.
        logins: forms that were sent to sign in.
    """

    def __init__(self, password: str = PASSWORD) -> None:
        self.votes: list[tuple[str, str]] = []
        self.logins = 0
        self.password = password
        self._sessions: dict[str, str] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.origin = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def voted(self, user: str, story: str) -> bool:
        return (user, story) in self.votes

    def cast(self, user: str, story: str) -> None:
        if story in self.ids() and not self.voted(user, story):
            self.votes.append((user, story))

    def sign_in(self, user: str, password: str) -> str:
        """The cookie of a new session, or ""."""
        self.logins += 1
        if (user, password) != (USER, self.password):
            return ""
        token = secrets.token_hex(8)
        self._sessions[token] = user
        return f"sid={token}; Path=/; HttpOnly"

    def user(self, cookie: str) -> str:
        morsel = SimpleCookie(cookie).get("sid")
        return self._sessions.get(morsel.value, "") if morsel else ""

    def ids(self) -> list[str]:
        raise NotImplementedError

    def get(self, path: str, query: dict[str, str], user: str) -> tuple[int, str]:
        """(status, page), or (302, where to)."""
        raise NotImplementedError

    def post(self, path: str, query: dict[str, str], form: dict[str, str], user: str) -> tuple[int, str, str]:
        """(status, page or where to, cookie)."""
        raise NotImplementedError


class Board(Site):
    """Links in an ordered list; ids are letters and digits; voted is a class of the row; every vote is a POST."""

    stories = {"7pzw2d": "On the shape of queues", "k3x9qa": "Why “undo” is hard", "m0tt1e": "A year of small files"}

    def ids(self) -> list[str]:
        return list(self.stories)

    def get(self, path: str, query: dict[str, str], user: str) -> tuple[int, str]:
        if path == "/":
            rows = "".join(self._row(ident, title, user) for ident, title in self.stories.items())
            who = escape(user) if user else '<a href="/login">Login</a>'
            return 200, _page("Board", f'<nav><a href="/">Active</a> {who}</nav><ol class="stories">{rows}</ol>')
        if path == "/login":
            return 200, self._login("")
        return 404, _page("Not found", "The page you asked for is not here.")

    def _row(self, ident: str, title: str, user: str) -> str:
        if user:
            label = "take the vote back" if self.voted(user, ident) else "upvote"
            vote = (
                f'<form method="post" action="/stories/{ident}/{"unvote" if self.voted(user, ident) else "upvote"}">'
                f'<input type="hidden" name="authenticity_token" value="{secrets.token_hex(6)}">'
                f'<button class="upvoter" aria-label="{label}">&#9650;</button></form>'
            )
        else:
            vote = '<a class="upvoter" href="/login" aria-label="upvote">&#9650;</a>'
        mark = " upvoted" if user and self.voted(user, ident) else ""
        return (
            f'<li id="story_{ident}" data-shortid="{ident}" class="story{mark}"><div class="voters">{vote}</div>'
            f'<div class="details"><span class="link"><a class="u-url" href="/s/{ident}">{escape(title)}</a></span>'
            f'<a class="tag" href="/t/practices">practices</a></div></li>'
        )

    def _login(self, alert: str) -> str:
        return _page(
            "Login",
            f'<div class="flash-error">{alert}</div><form class="login" method="post" action="/login">'
            '<input type="text" name="email" id="email"><input type="password" name="password" id="password">'
            '<input type="submit" name="commit" value="Login"></form>',
        )

    def post(self, path: str, query: dict[str, str], form: dict[str, str], user: str) -> tuple[int, str, str]:
        parts = path.strip("/").split("/")
        if path == "/login":
            cookie = self.sign_in(form.get("email", ""), form.get("password", ""))
            return (302, "/", cookie) if cookie else (200, self._login("Invalid e-mail address and/or password."), "")
        if len(parts) == 3 and parts[0] == "stories" and user and form.get("authenticity_token"):
            if parts[2] == "upvote":
                self.cast(user, parts[1])
            elif self.voted(user, parts[1]):
                self.votes.remove((user, parts[1]))
            return 302, "/", ""
        return 302, "/login", ""


class Forum(Site):
    """Topics as divs; thanks are given by a button in a form; a login page with three forms, at a URL with a query."""

    topics = {"17": "Welcome, read this first", "142": "Re: the pump & the valve", "1424": "Photos of your bench"}

    def ids(self) -> list[str]:
        return list(self.topics)

    def get(self, path: str, query: dict[str, str], user: str) -> tuple[int, str]:
        if path == "/viewforum.php":
            rows = "".join(self._row(ident, title, user) for ident, title in self.topics.items())
            quick = "" if user else f"<h3>Quick login</h3>{self._fields('quick')}"
            return 200, _page("Workshop", f'<div class="forumbg">{rows}</div>{quick}')
        if path == "/ucp.php" and query.get("mode") == "login":
            return 200, self._login("", query.get("redirect", ""))
        return 404, _page("Information", "The requested page does not exist.")

    def _row(self, ident: str, title: str, user: str) -> str:
        given = user and self.voted(user, ident)
        thanks = (
            '<span class="thanked">you gave thanks</span>'
            if given
            else f'<form action="/thanks.php" method="post"><input type="hidden" name="t" value="{ident}">'
            f'<button type="submit" class="button-thanks"><i></i><span>Thanks</span></button></form>'
        )
        return (
            f'<div class="topic row bg1"><div class="list-inner">'
            f'<a class="topictitle" href="/viewtopic.php?f=2&amp;t={ident}">{escape(title)}</a>'
            f'<div class="responsive-hide">by someone</div></div><div class="actions">{thanks}</div></div>'
        )

    def _fields(self, kind: str, redirect: str = "") -> str:
        submit = "create" if kind == "register" else "login"
        return (
            f'<form id="{kind}" method="post" action="/ucp.php?mode={"register" if kind == "register" else "login"}">'
            f'<input type="hidden" name="redirect" value="{escape(redirect)}">'
            '<input type="text" name="username"><input type="password" name="password">'
            f'<input type="submit" name="{submit}" value="{submit.title()}"></form>'
        )

    def _login(self, alert: str, redirect: str) -> str:
        search = '<form id="search" action="/search.php"><input name="keywords"><button>Search</button></form>'
        return _page(
            "Login",
            f'{search}<div class="error">{alert}</div>{self._fields("register")}<hr>{self._fields("login", redirect)}',
        )

    def post(self, path: str, query: dict[str, str], form: dict[str, str], user: str) -> tuple[int, str, str]:
        if path == "/ucp.php" and query.get("mode") == "login":
            cookie = self.sign_in(form.get("username", ""), form.get("password", ""))
            alert = "You have specified an incorrect password."
            return (302, "/viewforum.php?f=2", cookie) if cookie else (200, self._login(alert, ""), "")
        if path == "/thanks.php" and user:
            self.cast(user, form.get("t", ""))
            return 302, "/viewforum.php?f=2", ""
        return 302, f"/ucp.php?mode=login&redirect=thanks.php%3Ft%3D{form.get('t', '')}", ""


def _page(title: str, body: str) -> str:
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><link rel="icon" href="data:,">'
        f"<title>{title}</title><style>button,.upvoter{{padding:6px}}</style><body>{body}</body></html>"
    )


def _handler(site: Site) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            path, query, user = self._asked()
            self._send(*site.get(path, query, user))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
            path, query, user = self._asked()
            self._send(*site.post(path, query, {k: v[-1] for k, v in parse_qs(body).items()}, user))

        def _asked(self) -> tuple[str, dict[str, str], str]:
            parts = urlsplit(self.path)
            query = {k: v[-1] for k, v in parse_qs(parts.query).items()}
            return parts.path, query, site.user(self.headers.get("Cookie", ""))

        def _send(self, status: int, text: str, cookie: str = "") -> None:
            body = b"" if status == 302 else text.encode()
            self.send_response(status)
            if status == 302:
                self.send_header("Location", text)
            if cookie:
                self.send_header("Set-Cookie", cookie)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler
