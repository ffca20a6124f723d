"""The command line: parse, one call on the port, print. Bodies import lazily, so that `--help` stays light."""
