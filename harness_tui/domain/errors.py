"""Errors an operator reads: one sentence, the next step, and the exit code the process ends with."""

from __future__ import annotations


class HarnessError(Exception):
    """Base of every error we raise on purpose.

    Attributes:
        what: one clear sentence with the cause.
        next_step: what the operator can do about it, or "".
        exit_code: as in the README's table of exit codes.
    """

    exit_code = 1

    def __init__(self, what: str, next_step: str = "", *, exit_code: int | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.next_step = next_step
        if exit_code is not None:
            self.exit_code = exit_code

    def __str__(self) -> str:
        return f"{self.what} {self.next_step}".rstrip()


class UsageError(HarnessError):
    """The command line or a task file is wrong."""

    exit_code = 2


class ApprovalError(HarnessError):
    """An approval is needed, was denied, or a decision was refused."""

    exit_code = 4


class SandboxError(HarnessError):
    """A sandbox is required and cannot be had."""

    exit_code = 6


class CredentialError(HarnessError):
    """A key or a login is missing or was refused."""

    exit_code = 7


class SetupError(HarnessError):
    """Configuration or set-up: a missing browser, a newer database, a second engine."""

    exit_code = 78


class ModelError(HarnessError):
    """The model endpoint failed.

    Attributes:
        kind: "retry" (worth another try), "broken" (unreadable answer, worth one as well), "auth" (the key), "spent"
            (the account has no money or quota left), "context" (the conversation is too long: compact it once), or
            "refused" (anything else that no retry changes).
        retry_after: seconds the server asked us to wait, or None.
        status: HTTP status, or None when no answer came.
        spent: tokens the failed call is thought to have cost: 0 unless the answer had begun.
    """

    exit_code = 5

    def __init__(
        self,
        what: str,
        next_step: str = "",
        *,
        kind: str = "retry",
        retry_after: float | None = None,
        status: int | None = None,
        spent: int = 0,
    ) -> None:
        super().__init__(what, next_step, exit_code=7 if kind == "auth" else 5)
        self.kind = kind
        self.retry_after = retry_after
        self.status = status
        self.spent = spent


class Conflict(HarnessError):
    """An append named a sequence number that is no longer the head of its run."""


class LinkLost(HarnessError):
    """The engine's socket closed or never answered."""

    exit_code = 78
