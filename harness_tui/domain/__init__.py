"""Values and rules: events, messages, states and the folds over them. No I/O, no clock, no randomness."""
