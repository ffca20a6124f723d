"""Gemini's own protocol."""
