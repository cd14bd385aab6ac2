"""Stopping rules: each decides which cells are given up before their last epoch."""
