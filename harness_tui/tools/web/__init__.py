"""The web as tools: fetching a page behind the network guard, and searching."""
