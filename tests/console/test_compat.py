"""Every private touch of Textual still exists; raise the pin of Textual only together with this file."""

from __future__ import annotations

import inspect
from importlib.metadata import version

from textual._compositor import ChopsUpdate
from textual._parser import Parser
from textual._xterm_parser import XTermParser
from textual.app import App
from textual.drivers import linux_driver
from textual.drivers._writer_thread import WriterThread
from textual.drivers.linux_driver import LinuxDriver


def test_textual_is_the_pinned_version():
    assert version("textual") == "8.2.8"


def test_what_the_app_touches_exists():
    app = App()
    for name in ("_disable_tooltips", "_disable_notifications", "_return_code", "_exception", "_driver"):
        assert hasattr(app, name), name
    for name in ("_exception_event", "_close_messages_no_wait", "_fatal_error", "panic", "_handle_exception"):
        assert hasattr(App, name), name
    assert "_fatal_error()" in inspect.getsource(App._handle_exception)


def test_what_the_driver_touches_exists():
    source = inspect.getsource(LinuxDriver)
    assert "WriterThread(self._file)" in source and hasattr(linux_driver, "WriterThread")
    for name in ("exit_event", "attrs_before", "_key_thread", "fileno"):
        assert f"self.{name}" in source, name
    assert "self.run_input_thread()" in inspect.getsource(LinuxDriver._run_input_thread)
    parser = XTermParser()
    assert parser._timeout_time is None
    list(parser.feed("\x1b"))
    assert parser._timeout_time is not None, "a lone ESC is what the input loop waits shortly for"
    assert "_timeout_time" in inspect.getsource(Parser.tick)


def test_the_writer_thread_is_what_ours_extends():
    assert {"write", "run", "stop"} <= set(vars(WriterThread))
    assert "self._queue" in inspect.getsource(WriterThread.__init__)


def test_spans_are_rendered_where_ours_replaces_it():
    assert list(inspect.signature(ChopsUpdate.render_segments).parameters) == ["self", "console"]
    assert {"chops", "spans", "chop_ends"} <= set(inspect.signature(ChopsUpdate.__init__).parameters)
