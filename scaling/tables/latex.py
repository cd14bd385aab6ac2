"""LaTeX: how words of a table are written so that LaTeX prints them and obeys none of them."""

SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\textquotedbl{}", "`": r"\textasciigrave{}", "[": "{[}", "]": "{]}",
    "−": r"\ensuremath{-}", "±": r"\ensuremath{\pm}", "×": r"\ensuremath{\times}", "●": r"\ensuremath{\bullet}",
    "₂": r"\ensuremath{_2}", "→": r"\ensuremath{\to}", "≥": r"\ensuremath{\geq}", "≤": r"\ensuremath{\leq}",
}  # fmt: skip


def escape(text: str) -> str:
    """`text` on one line, with every character that LaTeX would obey made one that it prints."""
    return "".join(SPECIAL.get(character, character) for character in " ".join(text.split()))
