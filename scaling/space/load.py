"""Find, read, override and check space files, and report every mistake at once."""

import copy
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from scaling.space.schema import Space
from scaling.space.yaml_source import SHORT_FORMS, Source
from scaling.study.config import Recipe
from scaling.study.errors import SpaceError, unknown


def search_path() -> list[Path]:
    """Folders in which a space is looked up by name: here, then what the package ships."""
    here = Path("search_spaces")
    installed = Path(str(resources.files("scaling"))) / "search_spaces"
    checkout = Path(str(resources.files("scaling"))).parent / "search_spaces"
    return [folder for folder in dict.fromkeys([here, installed, checkout]) if folder.is_dir()]


def find_space(name: str) -> Path:
    """Path of the space file that `name` means: a file, or a name on the search path."""
    path = Path(name)
    if path.is_file():
        return path
    if path.suffix in {".yaml", ".yml"} or len(path.parts) > 1:
        siblings = [p.name for p in path.parent.glob("*.y*ml")] if path.parent.is_dir() else []
        raise SpaceError(unknown("space file", name, siblings) if siblings else f"there is no space file {name}")
    candidates = {p.stem: p for folder in reversed(search_path()) for p in folder.glob("*.yaml")}
    if name not in candidates:
        raise SpaceError(unknown("space", name, candidates) + "; or give the path of a .yaml file")
    return candidates[name]


def load_space(name: str, overrides: Mapping[str, Any] | None = None) -> Space:
    """Read, override and check the space that `name` means.

    Args:
        overrides: dotted key → value, such as {"recipe.epochs": 5}; from `--set`.

    Raises:
        SpaceError: one line per mistake, each with file and place.
    """
    return check_space(Source.read(find_space(name)).override(overrides or {}))


def check_space(source: Source) -> Space:
    """Turn what a file says into a `Space`, or raise `SpaceError` with every mistake in it."""
    from scaling.space.check import mistakes  # loads torch, which reading a file does not need

    found: dict[str, str] = {}  # the part that is wrong → the first that was said against it
    content = written_out(source)
    try:
        space = Space.model_validate(content)
    except ValidationError as error:
        for finding in error.errors():
            found.setdefault(str(source.steps(finding["loc"])), source.explain(finding, Space))
            prune(content, finding["loc"][:2])
        try:
            space = Space.model_validate(content)  # what is left may hold mistakes of its own
        except ValidationError:
            raise SpaceError(list(found.values())) from None
    problems = [*found.values(), *dict.fromkeys(mistakes(space, source, is_whole=not found))]
    if problems:
        raise SpaceError(problems)
    return space


def written_out(source: Source) -> dict[str, Any]:
    """The content with short forms written out, and the named recipe under what the space changes in it."""
    content = copy.deepcopy(source.content)
    for section, key in SHORT_FORMS.items():
        if isinstance(content.get(section), str | int):
            content[section] = {key: content[section]}
    recipe = content.get("recipe")
    if isinstance(recipe, dict) and "base" in recipe:
        base = load_recipe(str(recipe.pop("base")), source.place("recipe"))
        content["recipe"] = {**base.model_dump(exclude_unset=True), **recipe}
    return content


def load_recipe(name: str, place: str) -> Recipe:
    """Read the recipe `name` from `recipes/` beside the spaces.

    Args:
        place: where it was asked for, for the message.
    """
    known = {p.stem: p for folder in reversed(search_path()) for p in folder.glob("recipes/*.yaml")}
    if name not in known:
        raise SpaceError(place + unknown("recipe", name, known))
    source = Source.read(known[name])
    try:
        return Recipe.model_validate(source.content)
    except ValidationError as error:
        raise SpaceError([source.explain(finding, Recipe) for finding in error.errors()]) from None


def prune(content: dict[str, Any], place: Sequence[int | str]) -> None:
    """Take the part at `place` out, so that the rest can be looked at."""
    *parents, last = place
    for parent in parents:
        inner = content.get(parent) if isinstance(parent, str) else None
        if not isinstance(inner, dict):
            content.pop(str(parent), None)
            return
        content = inner
    content.pop(str(last), None)


def schema() -> dict[str, Any]:
    """JSON Schema of a space file, for editors' completion and checks."""
    document = Space.model_json_schema()
    for section, key in SHORT_FORMS.items():
        part = document["properties"][section]
        short = {"type": "string", "description": f"short for {{{key}: …}}"}
        whole = part.pop("anyOf", None) or [{"$ref": part.pop("$ref")}]
        document["properties"][section] = {"anyOf": [short, *whole], **part}
    base = {"type": "string", "description": "name of a recipe in recipes/, under the settings given here"}
    document["$defs"]["Recipe"]["properties"]["base"] = base
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **document}
