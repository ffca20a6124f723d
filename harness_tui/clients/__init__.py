"""EnginePort from elsewhere: over the socket, from the journal alone, and a blocking form of both for list verbs."""
