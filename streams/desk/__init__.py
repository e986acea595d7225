"""The desk: what the support floor sees, and what it does about it."""
