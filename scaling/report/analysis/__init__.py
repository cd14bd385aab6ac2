"""What the records of a study say, computed and not yet drawn. Nothing here imports torch or Ray."""
