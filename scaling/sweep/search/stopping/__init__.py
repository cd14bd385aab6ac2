"""Stopping rules, one function each, registered by `@stopping`: which cells are stopped before their last epoch.

A new file here is found by itself.
"""
