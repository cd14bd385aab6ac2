"""Everything that is computed from the records of a study, before drawing. Nothing here imports torch or Ray."""
