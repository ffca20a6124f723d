"""Textual widgets. There is one: the panes are lines of the model, drawn on one surface."""
