"""Notifications: alerts told to other systems, each once, signed, and never to an address inside the house."""
