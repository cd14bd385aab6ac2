"""Trackers, one file a tool, registered by `@tracker`: they show a sweep live. A new file here is found by itself."""
