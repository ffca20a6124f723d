"""Secrets in variables: `env:VAR` and `env:USERVAR,PASSVAR`."""

from __future__ import annotations

from collections.abc import Mapping

from ...domain.errors import CredentialError
from ...domain.seams import Credential, Place
from .handles import variables


class EnvVault:
    """`seams.Vault` over places of variables, the first that has a value counts; also a rung of the ladder."""

    word = "environment"
    leak = "nothing of ours; what sets the variable (a shell profile, a unit file) may hold it in clear text"

    def __init__(self, *places: Mapping[str, str]) -> None:
        self._places = places

    def __repr__(self) -> str:
        return "EnvVault(...)"

    def credential(self, handle: str, origin: str = "") -> Credential:
        """Raises CredentialError naming the variable that is missing, or the form a handle has.

        A pair of variables is bound to no origin; the task's login rule says where it goes.
        """
        user, password = variables(handle, pair=True)
        return Credential(self._value(user), self._value(password))

    def secret(self, handle: str, origin: str = "") -> str:
        """Raises CredentialError naming the variable that is missing, or the form a handle has."""
        (name,) = variables(handle, pair=False)
        return self._value(name)

    def where(self, name: str) -> Place:
        """Whether the variable is set."""
        if self.get(name) is None:
            return Place(name, "", f"the variable {name} is not set", usable=False, remedy=f"Set {name}.")
        return Place(name, self.word, "it is set as a variable", self.leak)

    def get(self, name: str) -> str | None:
        """The value of a variable, as the first place that has it says; None when none has a value."""
        return next((value for place in self._places if (value := place.get(name))), None)

    def _value(self, name: str) -> str:
        value = self.get(name)
        if value is None:
            empty = any(name in place for place in self._places)
            raise CredentialError(
                f"The variable {name} is {'empty' if empty else 'not set'}.", f"Set {name} and try again."
            )
        return value
