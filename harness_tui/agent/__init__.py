"""One agent run: the 8-step loop, its context and guardrails, and the lifecycle around it."""
