"""Notes: what a reader of a record should know of its run, one line each."""


class Notes:
    """Lines in the order in which they came, each once: a run that is resumed meets the same trouble again."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def add(self, line: str) -> None:
        """Add a line, unless it is there already."""
        if line not in self.lines:
            self.lines.append(line)
