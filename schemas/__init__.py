"""Bytes and shapes: what travels, what is kept, what a policy may say. No numbers are judged here."""
