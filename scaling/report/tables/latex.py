"""LaTeX: escape the text of a table."""

SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\textquotedbl{}", "`": r"\textasciigrave{}", "[": "{[}", "]": "{]}",
    "−": r"\ensuremath{-}", "±": r"\ensuremath{\pm}", "×": r"\ensuremath{\times}", "●": r"\ensuremath{\bullet}",
    "₂": r"\ensuremath{_2}", "→": r"\ensuremath{\to}", "≥": r"\ensuremath{\geq}", "≤": r"\ensuremath{\leq}",
}  # fmt: skip
_TRANSLATION = str.maketrans(SPECIAL)


def escape(text: str) -> str:
    """`text` on one line with every special character of LaTeX escaped."""
    return " ".join(text.split()).translate(_TRANSLATION)
