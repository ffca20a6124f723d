"""The keyless tour: a news site that ships with us, its task file, and a scripted stand-in for a model."""
