"""config.toml: one file, read from one place; what is wrong is refused with its line, and nothing of it is a secret."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness_tui.config.model_rules import APIS
from harness_tui.config.paths import Paths
from harness_tui.config.settings import MAX_BYTES, load_settings
from harness_tui.config.tariff import PriceTable, Tariff
from harness_tui.domain.errors import SetupError
from harness_tui.domain.messages import Usage
from harness_tui.domain.money import NANO
from harness_tui.domain.task import Budget, ModelTable
from harness_tui.models.api import ApiKind

WHOLE = """\
[model]
url = "https://gateway.example/v1"
api = "openai-chat"
model = "big"
key = "vault:WORK"
temperature = 0
fallback = ["spare"]

[models.spare]
model = "small"
[models.judge]
api = "anthropic"
model = "wise"
max_tokens = 2000

[budget]
day_usd = 5
run_tokens = 50_000
call_usd = 0.25

[prices."acme/big-1"]
input = 2
output = 10.5
cache_read = 0.2
window = 64_000

[keys]
command = ["pass", "show", "{name}"]
"""


def write(home: Paths, text: str) -> Path:
    path = home.home / "config.toml"
    path.write_text(text, "utf-8")
    path.chmod(0o600)
    return path


def refused(home: Paths, text: str) -> str:
    path = write(home, text)
    with pytest.raises(SetupError) as caught:
        load_settings(home)
    assert caught.value.exit_code == 78
    return str(caught.value).replace(f"{path.parent}/", "")


def test_the_whole_file_is_read_and_each_value_knows_its_line(home: Paths) -> None:
    write(home, WHOLE)
    found = load_settings(home)
    file = found.file
    assert file.model == ModelTable(
        url="https://gateway.example/v1",
        api="openai-chat",
        model="big",
        key="vault:WORK",
        temperature=0,
        fallback=("spare",),
    )
    assert set(file.models) == {"spare", "judge"}
    assert found.run_budget == Budget(50_000, None, 0, 0.25)
    assert (file.budget.day_tokens, file.budget.day_usd) == (0, 5)
    assert file.keys.command == ("pass", "show", "{name}")
    assert found.where("model", "url") == "config.toml:2"
    assert found.where("models", "judge", "max_tokens") == "config.toml:14"
    assert found.where("prices", "acme/big-1", "window") == "config.toml:25"
    assert found.where("budget", "day_tokens") == found.where("nothing", "at", "all") == "default"
    assert found.prices["acme/big-1"].source == "config.toml:21"


def test_without_a_file_everything_has_its_default(home: Paths) -> None:
    found = load_settings(home)
    assert found.run_budget == Budget()
    assert (found.prices, found.where("model", "url")) == ({}, "default")


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("day_usd", "day_us", 'config.toml:17: unknown key "day_us" in [budget]; did you mean "day_usd"?'),
        ("[budget]", "[budgets]", 'config.toml:16: unknown key "budgets"; did you mean "budget"?'),
        ('model = "wise"', "model = 3", 'config.toml:13: "model" in [models.judge] must be a string, not a whole numb'),
        ("output = 10.5\n", "", 'config.toml:21: the key "output" in [prices."acme/big-1"] is missing.'),
        (
            "output = 10.5",
            "output = nan",
            'config.toml:23: "output" in [prices."acme/big-1"] must be 0 or more, not na',
        ),
        ("= 64_000", "= -1", 'config.toml:25: "window" in [prices."acme/big-1"] must be 0 or more, not -1.'),
        ("= 0.25", "= 1e305", f'config.toml:19: "call_usd" in [budget] must be at most {10**15}, not 1e+305.'),
        ("= 0.25", "= inf", 'config.toml:19: "call_usd" in [budget] must be 0 or more, not inf.'),
        ("day_usd = 5", 'day_usd = "5"', 'config.toml:17: "day_usd" in [budget] must be a number, not a string.'),
        ('"spare"]', '"spar"]', 'config.toml:7: "fallback" in [model] names "spar", and there is no [models.spar].'),
        ('model = "small"', 'effort = "low"', 'config.toml:9: [models.spare] must name its "model".'),
        ('"{name}"', '"it"', 'config.toml:28: "command" in [keys] must say where the name goes'),
        ("vault:WORK", "sk-canary-123", 'config.toml:5: "key" in [model] must be a handle, env:VAR or vault:NAME'),
        ('"anthropic"', '"antropic"', 'config.toml:12: there is no model API "antropic"; did you mean "anthropic"?'),
        ("https://gateway", "https://me:sk-canary-123@gateway", 'config.toml:2: "url" in [model] must be the address'),
        ("https://gateway", "ftp://gateway", 'config.toml:2: "url" in [model] must be the address of a model server'),
        ("temperature = 0", "temperature = -1", 'config.toml:6: "temperature" in [model] must be 0 or more, not -1'),
        ("= 2000", "= 0", 'config.toml:14: "max_tokens" in [models.judge] must be 1 or more, not 0.'),
        (
            "temperature = 0",
            "extra = { at = 2026-01-01 }",
            'config.toml:6: "at" in [model.extra] cannot be sent as JSON',
        ),
        ("[budget]", "[budget", "config.toml:16: this is not TOML"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(home: Paths, old: str, new: str, sentence: str) -> None:
    assert old in WHOLE
    said = refused(home, WHOLE.replace(old, new, 1))
    assert said.startswith(sentence)
    assert "canary" not in said


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_others_may_write_is_refused(home: Paths, mode: int) -> None:
    path = write(home, WHOLE)
    path.chmod(mode)
    with pytest.raises(SetupError, match="may be written by others") as caught:
        load_settings(home)
    assert (caught.value.exit_code, caught.value.next_step) == (78, f"chmod go-w {path}")


def test_files_that_cannot_be_read_are_one_sentence_each(home: Paths) -> None:
    path = write(home, "#" * (MAX_BYTES + 1))
    with pytest.raises(SetupError, match="larger than 256 KiB"):
        load_settings(home)
    path.write_bytes(b"[model]\nmodel = '\xff'")
    with pytest.raises(SetupError, match=r"config.toml:2: this is not UTF-8"):
        load_settings(home)
    path.unlink()
    path.mkdir()
    with pytest.raises(SetupError, match=r"Cannot read .*: Is a directory"):
        load_settings(home)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("LONG", "a whole number must have at most 64 bits."),
        ("HEX", '"day_tokens" in [budget] must be a whole number of at most 64 bits.'),
        ("2026-02-30", "this is not TOML: Invalid date or datetime."),
    ],
)
def test_a_number_or_date_that_cannot_be_is_one_sentence_with_its_line(home: Paths, value: str, said: str) -> None:
    value = {"LONG": "9" * 5000, "HEX": "0x" + "f" * 5000}.get(value, value)
    assert refused(home, f"# mine\n[budget]\nday_tokens = {value}\n").endswith(f"config.toml:3: {said}")


def test_it_lies_in_the_home_or_where_xdg_has_it_and_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("HARNESS_TUI_HOME", str(tmp_path / "home"))
    assert Paths.default().config == tmp_path / "home" / "config.toml"
    monkeypatch.delenv("HARNESS_TUI_HOME")
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    assert Paths.default().config == tmp_path / "settings" / "harness-tui" / "config.toml"
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative")
    assert Paths.default().config == tmp_path / ".config" / "harness-tui" / "config.toml"
    assert Paths(tmp_path / "other").config == tmp_path / "other" / "config.toml"


def test_a_configuration_in_the_workspace_is_not_read(
    home: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in ("config.toml", ".harness/config.toml", "harness-tui/config.toml"):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).write_text(WHOLE, "utf-8")
    monkeypatch.chdir(tmp_path)
    assert load_settings(home).data == {}
    assert os.getcwd() == str(tmp_path)


def test_the_families_are_those_that_can_be_built() -> None:
    assert set(APIS) == set(ApiKind)


# -- the operator's prices ---------------------------------------------------------------------------------------------

DOLLARS = st.decimals(0, 1000, places=6).map(float)
COUNTS = st.integers(0, 10_000_000)
TABLES = st.builds(PriceTable, DOLLARS, DOLLARS, st.none() | DOLLARS, st.none() | DOLLARS)


@settings(deadline=None)
@given(TABLES, COUNTS, COUNTS, st.data())
def test_no_call_costs_more_than_its_worst_case_at_the_operators_price(
    table: PriceTable, input: int, output: int, data: st.DataObject
) -> None:
    price = Tariff(table, "config.toml:1")
    used, said = data.draw(st.integers(0, input)), data.draw(st.integers(0, output))
    read = data.draw(st.integers(0, used))
    write = data.draw(st.integers(0, used - read))
    assert 0 <= price.cost(Usage(used, said, read, write)) <= price.worst(input, output)
    pure = [Usage(input, output), Usage(input, output, cache_read=input), Usage(input, output, cache_write=input)]
    assert price.worst(input, output) == max(map(price.cost, pure)), "and the worst case can happen"


def test_what_is_not_said_of_the_cache_costs_as_the_input() -> None:
    price = Tariff(PriceTable(2, 10), "config.toml:1")
    assert price.cost(Usage(1_000_000, 100_000, 400_000, 500_000)) == 3 * NANO
    cached = Tariff(PriceTable(2, 10, 0.2, 2.5), "config.toml:1")
    assert cached.cost(Usage(1_000_000, 0, 500_000, 500_000)) == NANO * 135 // 100
    assert cached.worst(1_000_000, 0) == NANO * 5 // 2


def test_a_tiny_price_is_exact_and_rounded_up() -> None:
    assert Tariff(PriceTable(0.1, 0), "").cost(Usage(3, 0)) == 300
    assert Tariff(PriceTable(0.0001, 0), "").cost(Usage(11, 0)) == 2


@pytest.mark.parametrize("odd", [Usage(-5, -5, -5, -5), Usage(10, 2, 50, 50), Usage(10, 0, 6, 6)])
def test_figures_no_server_should_send_cost_something_sane(odd: Usage) -> None:
    price = Tariff(PriceTable(4, 20, 1, 5), "config.toml:1")
    assert 0 <= price.cost(odd) <= price.worst(10, 2)
