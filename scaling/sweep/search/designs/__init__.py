"""Designs, one function each, registered by `@design`: which cells a study runs. A new file here is found by itself."""
