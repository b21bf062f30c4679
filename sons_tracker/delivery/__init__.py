"""Sending: the only room that speaks to other machines, always outside a transaction."""
