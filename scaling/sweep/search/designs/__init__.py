"""Designs: each proposes the cells that a study runs."""
