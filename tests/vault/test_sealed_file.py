"""The encrypted file: opened by its passphrase alone, damage told from a wrong one, replaced whole."""

from __future__ import annotations

import stat
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness_tui.config.vault import private
from harness_tui.config.vault.places import Unavailable
from harness_tui.config.vault.sealed import SealedFile
from harness_tui.domain.errors import CredentialError, SetupError

PASSPHRASE = "correct horse"
QUICK = 15
"""log2 of scrypt's n: the least that is read."""


def opened(path: Path) -> SealedFile:
    file = SealedFile(path, work=QUICK)
    file.unlock(PASSPHRASE)
    return file


def test_what_is_kept_is_there_for_the_next_process_with_the_passphrase(tmp_path: Path) -> None:
    path = tmp_path / "home" / "keys.enc"
    file = opened(path)
    assert file.all() == {} and not file.exists()
    file.set("A", "hunter22 \u5bc6\u7801")
    file.set("B", "other")
    assert opened(path).all() == {"A": "hunter22 \u5bc6\u7801", "B": "other"}
    assert file.remove("A") is True
    assert file.remove("A") is False
    assert opened(path).all() == {"B": "other"}


def test_the_file_shows_nothing_and_belongs_to_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "keys.enc"
    opened(path).set("SOME_NAME", "hunter22")
    data = path.read_bytes()
    assert b"hunter22" not in data and b"SOME_NAME" not in data
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(file.name for file in tmp_path.iterdir()) == ["keys.enc", "keys.enc.lock"]


def test_two_writes_share_no_nonce(tmp_path: Path) -> None:
    file = opened(tmp_path / "keys.enc")
    seen = set()
    for _ in range(3):
        file.set("A", "same")
        seen.add(file.path.read_bytes()[27:39])
    assert len(seen) == 3


def test_a_locked_file_says_how_it_is_opened(tmp_path: Path) -> None:
    opened(tmp_path / "keys.enc").set("A", "hunter22")
    with pytest.raises(Unavailable, match=r"is locked\. Run: harness-tui key unlock") as caught:
        SealedFile(tmp_path / "keys.enc").get("A")
    assert caught.value.exit_code == 7


def test_a_wrong_passphrase_is_called_that(tmp_path: Path) -> None:
    opened(tmp_path / "keys.enc").set("A", "hunter22")
    file = SealedFile(tmp_path / "keys.enc")
    for wrong in ("Correct horse", ""):
        with pytest.raises(CredentialError, match=r"passphrase is (wrong|empty)"):
            file.unlock(wrong)
    assert not file.unlocked


def test_a_passphrase_has_one_spelling(tmp_path: Path) -> None:
    file = SealedFile(tmp_path / "keys.enc", work=QUICK)
    file.unlock("pa\u00df\u00e9")
    file.set("A", "hunter22")
    again = SealedFile(tmp_path / "keys.enc")
    again.unlock("pa\u00dfe\u0301")
    assert again.get("A") == "hunter22"


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> SealedFile:
    file = opened(tmp_path_factory.mktemp("sealed") / "keys.enc")
    file.set("A", "hunter22")
    return file


@settings(deadline=None)
@given(data=st.data())
def test_every_changed_cut_or_lengthened_file_is_called_damaged(kept: SealedFile, data: st.DataObject) -> None:
    whole = kept.path.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    flip = bytes((whole[at] ^ data.draw(st.integers(1, 255)),))
    changed = data.draw(st.sampled_from([whole[:at] + flip + whole[at + 1 :], whole[:at], whole + flip]))
    other = SealedFile(kept.path.with_name("changed.enc"))
    other.path.write_bytes(changed)
    with pytest.raises(SetupError, match="damaged or was changed") as caught:
        other.unlock(PASSPHRASE)
    assert caught.value.exit_code == 78


def test_who_repairs_the_checksum_still_changes_nothing(kept: SealedFile) -> None:
    """The header is authenticated as well: a weaker scrypt, another nonce, another text are all refused."""
    import hashlib

    body = kept.path.read_bytes()[:-32]
    other = SealedFile(kept.path.with_name("forged.enc"))
    for at in (8, 12, 30, 45, len(body) - 1):
        forged = bytearray(body)
        forged[at] ^= 1 if at != 8 else 15 ^ 16
        other.path.write_bytes(bytes(forged) + hashlib.sha256(forged).digest())
        with pytest.raises(CredentialError, match="passphrase is wrong"):
            other.unlock(PASSPHRASE)


def test_a_file_made_anew_elsewhere_is_not_overwritten(tmp_path: Path) -> None:
    file = opened(tmp_path / "keys.enc")
    file.set("A", "hunter22")
    file.path.unlink()
    successor = SealedFile(file.path, work=QUICK)
    successor.unlock("another one")
    successor.set("B", "other")
    for call in (lambda: file.get("A"), lambda: file.set("C", "x"), lambda: file.remove("B")):
        with pytest.raises(Unavailable, match="made anew"):
            call()
    assert successor.all() == {"B": "other"}


def test_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    opened(tmp_path / "keys.enc").set("first", "0")
    files = [opened(tmp_path / "keys.enc") for _ in range(3)]
    threads = [
        threading.Thread(target=lambda f=file, n=n: [f.set(f"k{n}.{i}", "v") for i in range(8)])
        for n, file in enumerate(files)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(files[0].all()) == 25


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = opened(tmp_path / "keys.enc")
    file.set("A", "hunter22")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(private.os, "fsync", full)
    with pytest.raises(SetupError, match="cannot be written: No space left"):
        file.set("B", "x")
    monkeypatch.undo()
    assert file.all() == {"A": "hunter22"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["keys.enc", "keys.enc.lock"]
