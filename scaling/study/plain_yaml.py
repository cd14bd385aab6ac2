"""YAML as users write it, read without surprises: what its versions read differently is refused, not guessed.

YAML 1.1 and 1.2 disagree on plain words: `off`, `0777`, `1_000`, `1:30` and `2024-01-01` are a truth value, numbers and
a date to the one, and text or other numbers to the other. This reader follows the core schema of YAML 1.2
(https://yaml.org/spec/1.2.2/#103-core-schema) and refuses what 1.1 reads otherwise, with the line and what to write.
Tags, merge keys and several documents are refused too. Size, nesting and aliases are bounded, so that no text, however
odd, takes long or ends in anything but content or `YamlError`.
"""

import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, NoReturn

import yaml

from scaling.study.plain_scalars import MOST_LETTERS, Unclear, in_quotes, plain_value, text_problem
from scaling.wording import shortened, shown

KeyPath = tuple[str | int, ...]

MOST_BYTES = 200_000  # of a file; PyYAML takes a second for some hundred kilobytes
MOST_NODES = 10_000  # values of a file, those of aliases counted wherever they stand
MOST_DEPTH = 24
MOST_KEY_LETTERS = 200
MOST_MISTAKES = 20  # that are listed


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong in a text."""

    line: int | None  # from 1
    place: KeyPath  # keys and numbers of items that lead to it
    problem: str

    @property
    def dotted(self) -> str:
        """Keys that lead to it, joined by dots; of an item of a list, those of the list."""
        keys = list(self.place)
        while keys and isinstance(keys[-1], int):
            keys.pop()
        return ".".join(map(str, keys))

    def sentence(self, where: str, *, with_line: bool = True) -> str:
        """Return it in a line that begins with `where`: `space.yaml:7: axes.depth: …`."""
        at = f"{where}:{self.line}" if self.line and with_line else where
        return ": ".join(part for part in (at, self.dotted, self.problem) if part)


class YamlError(ValueError):
    """A text cannot be read as YAML, or not in one way only; `findings` names every place."""

    def __init__(self, findings: list[Finding]) -> None:
        self.findings = findings
        super().__init__("; ".join(finding.sentence("line") for finding in findings))


@dataclass(frozen=True)
class YamlText:
    """The content of a text and where its parts are."""

    content: Any
    lines: Mapping[KeyPath, int]  # path of a key or item → its line, from 1

    def line(self, place: KeyPath) -> int | None:
        """Return the line of a part, or of the nearest that holds it."""
        return next((self.lines[place[:n]] for n in range(len(place), 0, -1) if place[:n] in self.lines), None)


def read_yaml(text: str | bytes) -> Any:
    """Return the content of a YAML text: mappings, lists, texts, numbers, truth values, None.

    Raises:
        YamlError: the text is not YAML, is too large, or does not mean the same in YAML 1.1 and 1.2.
    """
    return read_yaml_text(text).content


def read_yaml_text(text: str | bytes) -> YamlText:
    """Read a YAML text as `read_yaml` does, with the line of every key and item."""
    if len(text) > MOST_BYTES:
        problem = f"has {len(text):,} bytes; {MOST_BYTES:,} are the most that are read"
        raise YamlError([Finding(None, (), problem)])
    decoded = _decoded(text) if isinstance(text, bytes) else text.removeprefix("\ufeff")
    if wrong := text_problem(decoded):
        letter, place = wrong
        advice = "delete it, or save the file as UTF-8" if letter == "\0" else "delete it"
        problem = f"not valid YAML: holds the control character U+{ord(letter):04X}; {advice}"
        raise YamlError([Finding(_line_of(decoded, place), (), problem)])
    composer = _Composer()
    try:
        for event in yaml.parse(decoded, Loader=yaml.SafeLoader):
            composer.take(event)
    except YamlError:
        raise
    except yaml.MarkedYAMLError as error:
        raise YamlError([_syntax(error)]) from None
    except (yaml.YAMLError, ValueError, OverflowError):  # such as "\UFFFFFFFF", and %YAML 9999…
        problem = "not valid YAML: an escape or a directive that has no meaning"
        raise YamlError([Finding(composer.line, (), problem)]) from None
    if composer.findings:
        raise YamlError(composer.findings)
    return YamlText(composer.content, MappingProxyType(composer.lines))


def _decoded(data: bytes) -> str:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, b"\0\0\xfe\xff")):
        raise YamlError([Finding(1, (), "is written in UTF-16 or UTF-32; save it as UTF-8")])
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        problem = f"byte 0x{data[error.start]:02x} is not UTF-8; save the file as UTF-8"
        raise YamlError([Finding(line, (), problem)]) from None


def _line_of(text: str, place: int) -> int:
    return len(re.findall(r"\r\n?|\n", text[:place])) + 1


def _syntax(error: yaml.MarkedYAMLError) -> Finding:
    """Put PyYAML's two sentences with their excerpt of the text into a line."""
    mark = error.problem_mark or error.context_mark
    problem = " ".join(f"{error.problem or error.context or 'it ends early'}".split())
    if "'\\t'" in problem:
        problem = "a tab stands where a value or key should begin; indent with blanks"
    if problem.startswith("found undefined alias"):
        problem = "an alias (*name) names nothing above it"
    return Finding(mark.line + 1 if mark else None, (), f"not valid YAML: {shortened(problem, 200)}")


@dataclass
class _Frame:
    """A mapping or list whose end has not come."""

    holder: dict[str, Any] | list[Any]
    path: KeyPath
    anchor: str | None
    first: int  # number of nodes before it
    key: str | None = None  # of a mapping, the key whose value comes next


@dataclass
class _Composer:
    """Puts a text together from PyYAML's events. Nothing here recurses, so nesting cannot exhaust the stack."""

    content: Any = None
    lines: dict[KeyPath, int] = field(default_factory=dict)
    line: int = 1
    nodes: int = 0
    _found: dict[tuple[int, str], tuple[KeyPath, list[Unclear]]] = field(default_factory=dict)
    _findings: list[Finding] = field(default_factory=list)
    _stack: list[_Frame] = field(default_factory=list)
    _anchors: dict[str, tuple[Any, int] | None] = field(default_factory=dict)  # value and its nodes; None: not ended
    _documents: int = 0

    @property
    def findings(self) -> list[Finding]:
        """All that is wrong, in the order of the lines; of unclear words on a line, one sentence for all of a kind."""
        unclear = [Finding(line, place, Unclear.sentence(words)) for (line, _), (place, words) in self._found.items()]
        found = sorted([*self._findings, *unclear], key=lambda finding: finding.line or 0)
        if len(found) > MOST_MISTAKES:
            more = len(found) - MOST_MISTAKES
            return [*found[:MOST_MISTAKES], Finding(None, (), f"and {more:,} more mistakes of these kinds")]
        return found

    def take(self, event: yaml.Event) -> None:
        """Take the next event; raise `YamlError` where reading on is of no use."""
        self.line = event.start_mark.line + 1 if event.start_mark else self.line
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                self._stop("a second document begins here (---); a file holds one")
            if event.version not in (None, (1, 2)):
                self._note("%YAML names an earlier version; leave it out, files are read as YAML 1.2")
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event.anchor)
        elif isinstance(event, yaml.ScalarEvent):
            self._count(1)
            self._refuse_tag(event)
            self._scalar(event)
        elif isinstance(event, yaml.CollectionStartEvent):
            self._count(1)
            self._refuse_tag(event)
            self._begin({} if isinstance(event, yaml.MappingStartEvent) else [], event.anchor)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._end()

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        path = self._next_path()
        if wrong := text_problem(event.value):
            self._note(f"text holds the control character U+{ord(wrong[0]):04X}; leave it out", path)
        value: Any = event.value
        if event.implicit[0] and event.style is None:
            value = plain_value(event.value)
        if len(event.value) > MOST_LETTERS and not isinstance(value, Unclear):
            self._note(f"a text of {len(event.value):,} letters; {MOST_LETTERS:,} are the most that are read", path)
        if isinstance(value, Unclear):
            if value.kind == "word" and self._awaits_key():
                value = replace(value, kind="key")
            _, words = self._found.setdefault((self.line, value.kind), (path, []))
            words.append(value)
            value = event.value  # a stand-in, so that reading can go on
        if event.anchor is not None:
            self._anchors[event.anchor] = (value, 1)
        self._put(value, written=event.value)

    def _begin(self, holder: dict[str, Any] | list[Any], anchor: str | None) -> None:
        if len(self._stack) >= MOST_DEPTH:
            self._stop(f"not valid YAML here: nested more than {MOST_DEPTH} deep; write it flatter")
        path = self._next_path()
        if self._awaits_key():
            self._stop("a key needs text; it is a list or mapping", path)
        self._put(holder)
        if anchor is not None:
            self._anchors[anchor] = None
        self._stack.append(_Frame(holder, path, anchor, self.nodes))

    def _end(self) -> None:
        frame = self._stack.pop()
        if frame.anchor is not None:
            self._anchors[frame.anchor] = (frame.holder, self.nodes - frame.first + 1)

    def _alias(self, name: str) -> None:
        if name not in self._anchors:
            self._stop(f"not valid YAML: an alias (*{shortened(name)}) names nothing above it")
        known = self._anchors[name]
        if known is None:
            self._stop("an alias (*name) stands within what it names; write it out")
        value, nodes = known
        self._count(nodes)
        self._put(value, written=shown(value))

    def _put(self, value: Any, written: str = "") -> None:
        """Put a value, or a key, in its place."""
        if not self._stack:
            self.content = value
            return
        frame = self._stack[-1]
        if isinstance(frame.holder, list):
            self.lines[(*frame.path, len(frame.holder))] = self.line
            frame.holder.append(value)
        elif frame.key is None:
            self._key(frame, value, written)
        else:
            frame.holder[frame.key] = value
            frame.key = None

    def _key(self, frame: _Frame, value: Any, written: str) -> None:
        path = (*frame.path, shortened(written))
        frame.key = written
        if not isinstance(value, str):
            read = "" if isinstance(value, dict | list) else f"; quote it: {in_quotes(written)}"
            self._note(f"needs text; it is {shown(value)}{read}", path)
        elif len(value) > MOST_KEY_LETTERS:
            self._note(f"a key of {len(value):,} letters; {MOST_KEY_LETTERS} are the most", path)
        elif "\n" in value or "\r" in value:
            self._note("a key breaks over lines; write it in one", path)
        elif value in frame.holder:
            self._note("given twice; keep one", path)
        self.lines[(*frame.path, written)] = self.line

    def _awaits_key(self) -> bool:
        return bool(self._stack) and isinstance(self._stack[-1].holder, dict) and self._stack[-1].key is None

    def _next_path(self) -> KeyPath:
        if not self._stack:
            return ()
        frame = self._stack[-1]
        if isinstance(frame.holder, list):
            return (*frame.path, len(frame.holder))
        return frame.path if frame.key is None else (*frame.path, frame.key)

    def _count(self, nodes: int) -> None:
        self.nodes += nodes
        if self.nodes > MOST_NODES:
            self._stop(f"holds more than {MOST_NODES:,} values, those of aliases counted wherever they stand")

    def _refuse_tag(self, event: yaml.NodeEvent) -> None:
        tag = getattr(event, "tag", None)
        if tag is not None:
            name = tag.replace("tag:yaml.org,2002:", "!!", 1)
            self._note(f"not valid YAML here: leave out the tag {shortened(name)}, and quote what is text")

    def _note(self, problem: str, path: KeyPath = ()) -> None:
        self._findings.append(Finding(self.line, path, problem))

    def _stop(self, problem: str, path: KeyPath = ()) -> NoReturn:
        raise YamlError([Finding(self.line, path, problem)])
