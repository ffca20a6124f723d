"""The shell for agents: which commands are proven to only read, what a text of bash would run, and how it is run."""
