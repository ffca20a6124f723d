"""Where state lives and what the operator configured."""
