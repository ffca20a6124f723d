"""The keyring, against a real Secret Service: proved by use, bounded, and said to be locked when it is."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness_tui.config.vault.os_keyring import Keyring
from harness_tui.config.vault.places import Unavailable

from ..secret_service import SecretService


def refusal(call: Callable[[], object]) -> Unavailable:
    with pytest.raises(Unavailable) as caught:
        call()
    return caught.value


def test_a_key_is_kept_given_back_and_removed(session: SecretService) -> None:
    session.unlock()
    keyring = Keyring()
    assert keyring.probe() == "SecretService"
    assert keyring.get("A") is None
    keyring.set("A", "hunter22 \u5bc6\u7801")
    assert Keyring().get("A") == "hunter22 \u5bc6\u7801"
    assert keyring.remove("A") is True
    assert keyring.remove("A") is False
    assert keyring.get("A") is None


def test_proving_leaves_nothing_behind(session: SecretService) -> None:
    import secretstorage

    session.unlock()
    Keyring().probe()
    bus = secretstorage.dbus_init()
    assert list(secretstorage.get_default_collection(bus).get_all_items()) == []
    bus.close()


def test_a_key_outlives_its_session(session: SecretService) -> None:
    session.unlock()
    keyring = Keyring()
    keyring.set("A", "hunter22")
    session.again()
    assert keyring.get("A") == Keyring().get("A") == "hunter22"


def test_a_locked_keyring_is_called_that(session: SecretService) -> None:
    session.unlock()
    Keyring().set("A", "hunter22")
    session.again("another password")
    for call in (Keyring().probe, lambda: Keyring().get("A"), lambda: Keyring().set("A", "x")):
        said = refusal(call)
        assert (said.what, said.exit_code) == ("The keyring is locked.", 7)
        assert "--store file" in said.next_step
    session.again()
    assert Keyring().get("A") == "hunter22"


def test_without_a_bus_there_is_no_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    said = refusal(Keyring().probe)
    assert said.what.startswith("No keyring works here: ") and "DBUS_SESSION_BUS_ADDRESS" in said.what
    assert said.exit_code == 78
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere/bus")
    assert refusal(Keyring().probe).exit_code == 78


def test_a_keyring_that_hangs_is_not_waited_for_and_is_used_again_later(session: SecretService) -> None:
    daemon = session.unlock()
    keyring = Keyring(patience=60)
    keyring.set("A", "hunter22")
    keyring._patience = 1.0
    daemon.send_signal(signal.SIGSTOP)
    assert "has not answered for 1 s" in refusal(lambda: keyring.get("A")).what
    late = refusal(lambda: keyring.set("A", "never")).what
    assert "has not answered" in late
    daemon.send_signal(signal.SIGCONT)
    patient = Keyring(patience=60)
    patient.probe()  # by now the daemon has answered what it was asked before it stopped
    assert patient.get("A") == "hunter22"


def test_a_daemon_that_dies_is_noticed_and_its_successor_used(session: SecretService) -> None:
    daemon = session.unlock()
    keyring = Keyring(patience=60)
    keyring.set("A", "hunter22")
    keyring._patience = 3.0
    daemon.kill()
    daemon.wait()
    said = refusal(lambda: keyring.get("A"))
    assert said.exit_code in (7, 78) and "hunter22" not in str(said)
    session.bus.kill()
    session.bus.wait()
    assert refusal(lambda: Keyring().get("A")).exit_code == 78


ALTERNATIVE = """
import os
from keyring.backend import KeyringBackend

class Keyring(KeyringBackend):
    priority = 99
    def set_password(self, service, name, value):
        with open(os.environ["ALTERNATIVE_FILE"], "a") as file:
            file.write(f"{name}={value}\\n")
    def get_password(self, service, name):
        with open(os.environ["ALTERNATIVE_FILE"]) as file:
            return dict(line.strip().split("=", 1) for line in file).get(name)
    def delete_password(self, service, name):
        pass
"""


@pytest.fixture
def alternative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Another backend, installed, named by a variable, of the highest priority; returns the file it writes to."""
    folder = tmp_path / "site"
    info = folder / "alternative_backend-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "alternative_backend.py").write_text(ALTERNATIVE)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: alternative-backend\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[keyring.backends]\nalternative = alternative_backend\n")
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "alternative_backend.Keyring")
    monkeypatch.setenv("ALTERNATIVE_FILE", str(tmp_path / "clear.txt"))
    return tmp_path / "clear.txt"


def python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


USE = """
from harness_tui.config.vault.os_keyring import Keyring
from harness_tui.config.vault.places import Unavailable
try:
    keyring = Keyring(patience=60)
    keyring.set("A", "hunter22")
    print(keyring.probe(), keyring.get("A"))
except Unavailable as error:
    print(error.exit_code)
"""


@pytest.mark.parametrize("named", [True, False], ids=["named by a variable", "only installed"])
def test_another_backend_is_never_used(
    alternative: Path, session: SecretService, monkeypatch: pytest.MonkeyPatch, named: bool
) -> None:
    if not named:
        monkeypatch.delenv("PYTHON_KEYRING_BACKEND")
    # What the package itself would do: this is why it is not asked.
    assert "alternative_backend" in python(
        "import keyring; keyring.set_password('s', 'n', 'v'); print(keyring.get_keyring())"
    )
    alternative.unlink()
    session.unlock()
    assert python(USE) == "SecretService hunter22"
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS")
    assert python(USE) == "78"
    assert not alternative.exists()
