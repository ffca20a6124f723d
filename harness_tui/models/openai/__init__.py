"""The two OpenAI protocols, and the servers that speak them."""
