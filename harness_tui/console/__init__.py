"""The operator's console: a Textual-free model of what is shown and decided, and the shell that draws it."""
