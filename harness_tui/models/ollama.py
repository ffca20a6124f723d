"""A local Ollama: chat-completions, and beside it what only Ollama's own API tells (the window a model really has)."""

from __future__ import annotations

from .openai_chat import OpenAIChat


class Ollama(OpenAIChat):
    """One model of an Ollama server."""

    api = "ollama"
