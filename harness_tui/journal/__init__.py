"""The log on disk: SQLite lives here alone. One connection writes, everybody else folds what it committed."""
