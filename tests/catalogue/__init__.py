"""The public cases of the threat model, as data, and what holds each of them."""
