"""A sweep while it runs: what it keeps, what it shows, and who may run it."""
