"""Counting what a model costs without fvcore: torch's dispatcher, fast counts of whole spaces.

`scaling.costs.complexity` compares these counts with fvcore's and is the only place that knows it.
"""
