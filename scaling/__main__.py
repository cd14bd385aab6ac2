"""`scaling COMMAND …`, or `python -m scaling COMMAND …`: every command of the package under one name."""

import argparse
import importlib
import sys
import webbrowser
from collections.abc import Sequence
from pathlib import Path

from scaling.study.command import command
from scaling.study.errors import ScalingError, unknown

COMMANDS = {  # word → module with `main(argv)`, what it does
    "sweep": ("scaling.sweep.__main__", "run a study, or continue it"),
    "report": ("scaling.report.__main__", "write the page, figures, tables and verdict of a study"),
    "compare": ("scaling.compare.__main__", "give a verdict for a table of anybody's runs"),
    "measure": ("scaling.measure.__main__", "count and measure costs without training"),
    "explain": ("scaling.explain", "draw the attention of kept weights"),
    "rehearse": ("scaling.rehearse", "try a stopping rule on a finished study"),
}
SHORT = {  # word → command and its first argument
    "list": ("sweep", "--list", "list all studies with their progress"),
    "status": ("sweep", "--status", "show one study"),
}
EPILOG = """\
`scaling COMMAND --help` shows the options of a command. `scaling completion bash` or `zsh` prints what completes
commands, studies and spaces; add `source <(scaling completion bash)` to ~/.bashrc.
"""


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scaling", epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Architecture search and scaling studies for image models, with a verdict and its uncertainty.",
    )  # fmt: skip
    parser.add_argument("--version", action="version", version=f"scaling {_version()}")
    listed = [(word, text) for word, (_, text) in COMMANDS.items()]
    listed += [(word, text) for word, (_, _, text) in SHORT.items()]
    listed += [("open", "open the page of a study in the browser"), ("completion", "print shell completion")]
    words = parser.add_subparsers(dest="word", metavar="COMMAND", title="commands")
    for word, text in listed:
        words.add_parser(word, help=text, add_help=False)
    return parser


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Run a command, and return its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0].startswith("-"):
        parser().parse_args(arguments)
        parser().print_help()
        return 0 if not arguments else 2
    word, *rest = arguments
    if word in SHORT:
        word, option, _ = SHORT[word]
        rest = [option, *rest]
    if word in COMMANDS:
        return importlib.import_module(COMMANDS[word][0]).main(rest)
    own = {"open": open_page, "completion": completion}
    if word not in own:
        raise ScalingError(unknown("command", word, [*COMMANDS, *SHORT, *own]))
    return own[word](rest)


def open_page(argv: Sequence[str]) -> int:
    """Open the page of a study in the browser, and print where it is."""
    options = argparse.ArgumentParser(prog="scaling open", description="Open the page of a study in the browser.")
    options.add_argument("study")
    options.add_argument(
        "--reports", type=Path, default=Path("reports"), help="folder of all reports; default: reports"
    )
    given = options.parse_args(argv)
    page = given.reports / given.study / "index.html"
    if not page.is_file():
        raise ScalingError(f"{page} is not there; write it with: scaling report {given.study}")
    print(page)
    webbrowser.open(page.resolve().as_uri())
    return 0


def completion(argv: Sequence[str]) -> int:
    """Print a script that completes commands, studies and spaces in a shell."""
    options = argparse.ArgumentParser(prog="scaling completion", description="Print a script for shell completion.")
    options.add_argument("shell", choices=("bash", "zsh"))
    shell = options.parse_args(argv).shell
    if shell == "zsh":
        print("autoload -U +X bashcompinit && bashcompinit")
    words = " ".join([*COMMANDS, *SHORT, "open", "completion"])
    print(_COMPLETION.replace("@KNOWN@", words))
    return 0


_COMPLETION = """\
_scaling() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} known=""
  if [ "$COMP_CWORD" = 1 ]; then known="@KNOWN@"
  elif [ "$before" = --space ]; then known=$(cd search_spaces 2>/dev/null && ls *.yaml 2>/dev/null | sed 's/[.]yaml$//')
  else case ${COMP_WORDS[1]} in
    report|status|explain|rehearse) known=$(ls results 2>/dev/null) ;;
    open) known=$(ls reports 2>/dev/null) ;;
  esac; fi
  COMPREPLY=($(compgen -W "$known" -- "$word"))
  [ ${#COMPREPLY[@]} = 0 ] && COMPREPLY=($(compgen -f -- "$word"))
}
complete -F _scaling scaling"""


def _version() -> str:
    import scaling

    return scaling.__version__


if __name__ == "__main__":
    sys.exit(main())
