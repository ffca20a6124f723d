"""What crosses between a front end and an engine: the port, its commands, the snapshot and their wire form."""
