"""Task files: what is right is read, and what is wrong is refused with file, line and key."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import harness_tui.demo
from harness_tui.config.taskfile import MAX_BYTES, load_task
from harness_tui.config.toml_lines import line_of
from harness_tui.domain.errors import UsageError
from harness_tui.domain.task import Budget, IdFrom, ModelTable, TaskFile

WHOLE = """\
# A comment with "quotes' and [brackets
prompt = '''
Go and
[login]
vote.'''
start_url = "http://127.0.0.1:8765/news"
tools = [
    "browser_navigate",  # look
    "browser_click",
]

[stories]
row = "tr.athing"
title = ".titleline > a"
arrow = "#up_{id}"
id_from = { css = "", attribute = "id", regex = "(\\\\d+)" }

[login]
when_url = ["/login"]
origin = "http://localhost:8765"
user_field = "#u"
password_field = "#p"
submit = "#go"
credential = "env:SITE_USER,SITE_PASSWORD"

[verify]
trace = ["browser_click *{first.id}*"]
page = [
    { selector = "{first.arrow}", state = "gone" },
    { selector = "#x", state = "class:nosee" },
]
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "t.toml"
    path.write_text(text, encoding="utf-8")
    return path


def refused(folder: Path, text: str) -> str:
    path = write(folder, text)
    with pytest.raises(UsageError) as caught:
        load_task(path)
    assert caught.value.exit_code == 2
    return str(caught.value).replace(str(folder) + "/", "")


def test_a_whole_task_file_is_read(tmp_path: Path) -> None:
    task = load_task(write(tmp_path, WHOLE))
    assert task.prompt == "Go and\n[login]\nvote."
    assert task.tools == ("browser_navigate", "browser_click")
    assert task.stories is not None
    assert task.stories.id_from == IdFrom("", "id", r"(\d+)")
    assert task.verify is not None
    assert [condition.state for condition in task.verify.page] == ["gone", "class:nosee"]


def test_the_smallest_task_file_has_the_documented_defaults(tmp_path: Path) -> None:
    assert load_task(write(tmp_path, 'prompt = "x"\n')) == TaskFile("x")


def test_a_model_table_is_read(tmp_path: Path) -> None:
    table = (
        'url = "h:1"\napi = "stand-in"\nmodel = "m"\nkey = "vault:A.b-1"\nseed = 1\ntemperature = 0\nmax_tokens = 9\n'
    )
    table += 'effort = "low"\nparallel_tools = false\nversion = "2023-06-01"\nfallback = ["x"]\nkeep_local = true\n'
    task = load_task(write(tmp_path, f'prompt = "x"\n[model]\n{table}extra = {{ a = [1, {{ b = "c" }}] }}\n'))
    assert task.model == ModelTable(
        1, 0, 9, "low", False, "2023-06-01", {"a": [1, {"b": "c"}]}, "h:1", "stand-in", "m", "vault:A.b-1", ("x",), True
    )


def test_a_budget_that_is_not_named_is_the_configured_one(tmp_path: Path) -> None:
    usual = Budget(5_000, 1.0, 700, 0.1)
    assert load_task(write(tmp_path, 'prompt = "x"\n'), budget=usual).budget == usual
    named = write(tmp_path, 'prompt = "x"\n[budget]\ntokens = 200_000\ncall_usd = 0.2\n')
    assert load_task(named, budget=usual).budget == Budget(200_000, 1.0, 700, 0.2)


def test_windows_line_ends_and_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    path = tmp_path / "t.toml"
    path.write_bytes(b"\xef\xbb\xbf" + WHOLE.replace("\n", "\r\n").encode())
    assert load_task(path) == load_task(write(tmp_path, WHOLE))


def test_the_demo_task_file_is_well_formed() -> None:
    task = load_task(Path(harness_tui.demo.__file__).with_name("upvote.toml"))
    assert task.login is not None


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('start_url = "http', 'strat_url = "http', 't.toml:6: unknown key "strat_url"; did you mean "start_url"?'),
        ('origin = "', 'orgin = "', 't.toml:20: unknown key "orgin" in [login]; did you mean "origin"?'),
        ("css =", "zzz =", 't.toml:16: unknown key "zzz" in [stories.id_from].'),
        ('"#x", state', '"#x", stat', 't.toml:30: unknown key "stat" in [verify.page]; did you mean "state"?'),
        ("[verify]", "[verfy]", 't.toml:26: unknown key "verfy"; did you mean "verify"?'),
        ('submit = "#go"\n', "", 't.toml:18: the key "submit" in [login] is missing.'),
        ('submit = "#go"', "submit = 3", 't.toml:23: "submit" in [login] must be a string, not a whole number.'),
        ('["/login"]', '"/login"', 't.toml:19: "when_url" in [login] must be a list, not a string.'),
        ('["/login"]', '["/login", 7]', 't.toml:19: element 2 of "when_url" in [login] must be a string, not a whole'),
        (
            "[login]\nwhen",
            '[budget]\ntokens = "many"\n[login]\nwhen',
            't.toml:19: "tokens" in [budget] must be a whole',
        ),
        (
            '    "browser_click"',
            '    "browser_clik"',
            't.toml:9: there is no tool "browser_clik"; did you mean "browser',
        ),
        ('    "browser_click"', '    "browser_navigate"', 't.toml:9: the tool "browser_navigate" is listed twice.'),
        ('"http://127.0.0.1:8765/news"', '"ftp://x/"', 't.toml:6: "start_url" must be an http(s) URL, not "ftp://x/".'),
        ('"http://127.0.0.1:8765/news"', '"/news"', 't.toml:6: "start_url" must be an http(s) URL, not "/news".'),
        ("(\\\\d+)", "(", 't.toml:16: "regex" in [stories.id_from] is no regular expression: '),
        ("(\\\\d+)", "(a)(b)", 't.toml:16: "regex" in [stories.id_from] must have exactly one group, not 2.'),
        ("up_{id}", "up_{ident}", "t.toml:15: {ident} is not known here; use {id}."),
        ("localhost", "news.example", 't.toml:20: "origin" in [login] must be https: credentials travel there.'),
        (
            ':8765"\nuser',
            ':8765/login"\nuser',
            't.toml:20: "origin" in [login] must be scheme://host, not "http://local',
        ),
        (
            "env:SITE_USER,SITE_PASSWORD",
            "hunter2",
            't.toml:24: "credential" in [login] must be a handle of the form env',
        ),
        ('when_url = ["/login"]', "when_url = []", "t.toml:18: [login] must say when it applies"),
        (
            '"browser_click *',
            '"browser_fill *',
            't.toml:27: a trace condition begins with a tool of this task, not "brow',
        ),
        ('state = "gone"', 'state = "gon"', 't.toml:29: "state" in [verify.page] must be gone, hidden, visible, class'),
        ("class:nosee", "class:", 't.toml:30: "state" in [verify.page] must be'),
        (
            "{first.arrow}",
            "{frist.arrow}",
            "t.toml:29: {frist.arrow} is not known here; use {first.arrow}, {first.id}.",
        ),
        ("[stories]", "[budget]\nusd = nan\n[stories]", 't.toml:13: "usd" in [budget] must be 0 or more, not nan.'),
        ("[stories]", "[budget]\ncall_usd = -1\n[stories]", 't.toml:13: "call_usd" in [budget] must be 0 or more'),
        ("[stories]", "[budget]\ncall_tokens = -1\n[stories]", 't.toml:13: "call_tokens" in [budget] must be 0 or'),
        ("[stories]", '[model]\nkey = "hunter2"\n[stories]', 't.toml:13: "key" in [model] must be a handle, env:VAR'),
        ("[stories]", '[model]\nkey = "env:A,B"\n[stories]', 't.toml:13: "key" in [model] must be a handle'),
        ("[stories]", '[model]\nurl = "http://a b"\n[stories]', 't.toml:13: "url" in [model] must be the address'),
        ("[stories]", '[model]\nurl = "https://x\\\\@y"\n[stories]', 't.toml:13: "url" in [model] must be the ad'),
        ("[stories]", '[model]\napi = "gemni"\n[stories]', 't.toml:13: there is no model API "gemni"; did you mean "g'),
        ("[stories]", '[model]\napi = "qqq"\n[stories]', 't.toml:13: there is no model API "qqq"; there are openai-c'),
        ("[stories]", "[model]\ntemperature = inf\n[stories]", 't.toml:13: "temperature" in [model] must be 0 or more'),
        ("[stories]", '[model]\neffort = "a\\nb"\n[stories]', 't.toml:13: "effort" in [model] must be one word'),
        ("[stories]", "[model]\nextra = {a = [nan]}\n[stories]", 't.toml:13: "a" in [model.extra] cannot be sent as J'),
        ("[stories]", '[model]\nfallback = ["a", "a"]\n[stories]', 't.toml:13: a name of "fallback" in [model] is emp'),
        (
            "[stories]",
            "[guardrails]\nmax_messages = -1\n[stories]",
            't.toml:13: "max_messages" in [guardrails] must be 0',
        ),
        ("[stories]", '[approve]\nselectors = [""]\n[stories]', 't.toml:13: a selector of "selectors" is empty.'),
        (
            'tools = [\n    "brow',
            'level = "L9"\ntools = [\n    "brow',
            't.toml:7: "level" must be one of L1, L2, L3, not "L9"',
        ),
        ("[verify]", "[verify", "t.toml:26: this is not TOML: "),
        ("[verify]", "[login]", "t.toml:26: this is not TOML: "),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    assert old in WHOLE
    said = refused(tmp_path, WHOLE.replace(old, new, 1))
    assert said.startswith(sentence)
    assert "hunter2" not in said


def test_a_story_placeholder_needs_a_stories_table(tmp_path: Path) -> None:
    said = refused(tmp_path, 'prompt = "x"\n[verify]\npage = [{selector = "#{first.id}", state = "gone"}]\n')
    assert said == "t.toml:3: {first....} names a story, and there is no [stories] table."


def test_unreadable_files_are_one_sentence_each(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"There is no task file .*absent.toml"):
        load_task(tmp_path / "absent.toml")
    with pytest.raises(UsageError, match=r"Cannot read .*: Is a directory"):
        load_task(tmp_path)
    path = tmp_path / "t.toml"
    path.write_bytes(b'prompt = "x"\n\xff\xfe')
    with pytest.raises(UsageError, match=r"t.toml:2: this is not UTF-8 text"):
        load_task(path)
    path.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(UsageError, match="larger than 256 KiB"):
        load_task(path)
    assert refused(tmp_path, "").startswith('t.toml:1: the key "prompt" is missing')
    assert refused(tmp_path, "a = " + "[" * 5000).startswith("t.toml:1: this is")


NUMBERS = {"LONG": "9" * 5000, "UNDER": "1" + "_1" * 5000, "HEX": "0x" + "f" * 5000, "READ": "9" * 4000}


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("LONG", "a whole number must have at most 64 bits."),
        ("UNDER", "a whole number must have at most 64 bits."),
        ("[1,\n2,\nLONG]", "a whole number must have at most 64 bits."),
        ('"LONG"', '"tokens" in [budget] must be a whole number, not a string.'),
        ("HEX", '"tokens" in [budget] must be a whole number of at most 64 bits.'),
        ("READ", '"tokens" in [budget] must be a whole number of at most 64 bits.'),
        (f"{2**63}", '"tokens" in [budget] must be a whole number of at most 64 bits.'),
        (f"{-(2**63) - 1}", '"tokens" in [budget] must be a whole number of at most 64 bits.'),
        ("[1, 2, HEX]", 'element 3 of "tokens" in [budget] must be a whole number of at most 64 bits.'),
        (f"{2**63 - 1}", f'"tokens" in [budget] must be at most {10**15}, not {2**63 - 1}.'),
        (f"{-(2**63)}", f'"tokens" in [budget] must be 0 or more, not {-(2**63)}.'),
        ("2026-02-30", "this is not TOML: Invalid date or datetime."),
        ("2026-02-30T12:00:00Z", "this is not TOML: Invalid date or datetime."),
        ("2026-02-03", '"tokens" in [budget] must be a whole number, not a date.'),
    ],
)
def test_numbers_and_dates_that_cannot_be_are_one_sentence_with_the_line(tmp_path: Path, value: str, said: str) -> None:
    line = 4 + value.count("\n")
    for name, digits in NUMBERS.items():
        value = value.replace(name, digits)
    text = f'prompt = "x"\n\n[budget]\ntokens = {value}\n\n[sandbox]\nkind = "auto"\n'
    assert refused(tmp_path, text) == f"t.toml:{line}: {said}"


@pytest.mark.parametrize("usd", ["1e305", "1e999", "inf"])
def test_no_budget_is_larger_than_can_be_counted(tmp_path: Path, usd: str) -> None:
    said = refused(tmp_path, f'prompt = "x"\n[budget]\nusd = {usd}\n')
    assert said == f't.toml:3: "usd" in [budget] must be at most {10**15}, not {float(usd)}.'


def test_hostile_names_stay_visible_text(tmp_path: Path) -> None:
    said = refused(tmp_path, 'prompt = "x"\n"\\u001b]52;c;AAAA\\u0007" = 1\n')
    assert said.isprintable()
    assert said.startswith("t.toml:2: unknown key")


KEYS = st.text("abcdefgh-_", min_size=1, max_size=6)
ODD_KEYS = KEYS | st.text("ab=.[]#'\u00e9 ", min_size=1, max_size=6)
VALUES = st.sampled_from(
    ["1", '"x = [1] # no"', "'''\na = 1\n[t]\n'''", "[\n  1, # one\n  2,\n]", "{ a = 1, b = [2] }", "[]"]
)
NOISE = st.lists(st.sampled_from(["", "# [x]", "   # a = '''", "\t"]), max_size=3)


@settings(deadline=None)
@given(st.lists(st.tuples(KEYS, st.lists(st.tuples(ODD_KEYS, VALUES, NOISE), max_size=4)), max_size=4))
def test_every_value_is_found_on_the_line_it_begins(tables: list[tuple[str, list[tuple[str, str, list[str]]]]]) -> None:
    lines: list[str] = []
    places: dict[tuple[str, ...], int] = {}
    for name, entries in tables:
        if (name,) in places:
            continue
        lines.append(f"[{json.dumps(name)}]")
        places[name,] = len(lines)
        for key, value, noise in entries:
            if (name, key) in places:
                continue
            lines += noise
            places[name, key] = len(lines) + 1
            lines += f"{json.dumps(key)} = {value}".split("\n")
    source = "\n".join(lines)
    tomllib.loads(source)
    for path, line in places.items():
        assert line_of(source, path) == line
