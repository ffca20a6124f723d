"""The model of a run that was decided on before it began: it asks for one call, then says what came of it.

No network, no cost. It knows nothing but the conversation, so a run that goes on after a crash asks for nothing twice.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from ..domain.messages import Answer, Delta, ModelRequest, Text, ToolCall, ToolResult
from ..domain.money import Free, Price
from ..domain.task import Script

API = "script"
"""`ModelSpec.api` of such a run."""
CALL = "script"
"""Id of its one call."""
HAPPENED = "These already happened and must not be repeated:"
"""How `agent.context` begins to tell an attempt of what an interrupted one has done."""


class ScriptModel:
    """`seams.Model` that makes the call of `script`."""

    label = "script (no model)"

    def __init__(self, script: Script) -> None:
        self.name = script.tool
        self._script = script

    async def price(self) -> Price | None:
        return Free("a script is no model")

    async def stream(self, request: ModelRequest) -> AsyncIterator[Delta | Answer]:
        """The call; once it has a result, however it went, that result's text."""
        results = [part for message in request.messages for part in message.parts if isinstance(part, ToolResult)]
        if results:
            yield Answer((Text(results[-1].text or "done"),), usd=0, mark="priced")
        elif any(message.role == "user" and message.text.startswith(HAPPENED) for message in request.messages):
            yield Answer((Text("It was done before the world it was done in was lost."),), usd=0, mark="priced")
        else:
            call = ToolCall(CALL, self._script.tool, self._script.arguments)
            yield Answer((call,), stop="tool_calls", usd=0, mark="priced")

    async def close(self) -> None:
        pass
