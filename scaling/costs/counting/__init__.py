"""Counting costs without fvcore, by torch's dispatcher, and fast counts of whole spaces.

`scaling.costs.complexity` compares these counts with fvcore's; no other module uses fvcore.
"""
