"""The browser environment: nine tools on a real Chromium, bound to a session that a run opens and closes."""
