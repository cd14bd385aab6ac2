"""Notes: one line for each thing that a reader of a record should know about its run."""


class Notes:
    """Lines in order of appearance, each once, as a resumed run meets the same problems again."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def add(self, line: str) -> None:
        """Add a line unless it is already there."""
        if line not in self.lines:
            self.lines.append(line)
