"""Caveats: reasons to doubt a verdict, one function each."""
