"""Search: what a study runs next, from what its trials have answered so far."""
