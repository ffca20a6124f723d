"""What a run may reach, as rules over values: addresses, targets of URLs, and what the operator granted."""
