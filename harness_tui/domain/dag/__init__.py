"""One goal as a graph of jobs: values, rules and the state machine. No I/O, no clock, no randomness."""
