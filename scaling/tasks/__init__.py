"""Tasks: what a network is trained for, and how it is scored. One file each."""
