"""Find, read, override and check space files, and report every mistake at once."""

import copy
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from scaling.space.form import FormReader
from scaling.space.schema import Space
from scaling.space.yaml_source import SHORT_FORMS, SpaceFile
from scaling.study.config import Recipe
from scaling.study.errors import SpaceError, unknown


def search_path() -> list[Path]:
    """Folders in which a space is looked up by name: first the current folder's, then the package's."""
    here = Path("search_spaces")
    installed = Path(str(resources.files("scaling"))) / "search_spaces"
    checkout = Path(str(resources.files("scaling"))).parent / "search_spaces"
    return [folder for folder in dict.fromkeys([here, installed, checkout]) if folder.is_dir()]


def find_space(name: str) -> Path:
    """Path of the space file `name`: a file, or a name on the search path."""
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
    """Read, override and check the space `name`.

    Args:
        overrides: dotted key → value, such as {"recipe.epochs": 5}; from `--set`.

    Raises:
        SpaceError: one line per mistake, each with file and place.
    """
    return check_space(SpaceFile.read(find_space(name)).override(overrides or {}))


def check_space(file: SpaceFile) -> Space:
    """Turn the content of a file into a `Space`, or raise `SpaceError` with every mistake in it."""
    from scaling.space.check import mistakes  # loads torch, which reading a file does not need

    form = FormReader(file, Space)
    parts = form.parts(Space, written_out(file))
    space = form.whole(Space, parts)
    found = form.problems
    draft = space or Space.model_construct(**{"family": "", "axes": {}, "arms": {}, **parts})
    found += dict.fromkeys(mistakes(draft, file, is_whole=not found))
    if space is None or found:
        raise SpaceError(found)
    return space


def written_out(file: SpaceFile) -> dict[str, Any]:
    """Return the content with short forms written out, and the settings of a named recipe under the space's own."""
    content = copy.deepcopy(file.content)
    for section, key in SHORT_FORMS.items():
        if isinstance(content.get(section), str | int):
            content[section] = {key: content[section]}
    recipe = content.get("recipe")
    if isinstance(recipe, dict) and "base" in recipe:
        base = load_recipe(str(recipe.pop("base")), file.place("recipe"))
        content["recipe"] = {**base.model_dump(exclude_unset=True), **recipe}
    return content


def load_recipe(name: str, place: str) -> Recipe:
    """Read the recipe `name` from `recipes/` beside the spaces.

    Args:
        place: where it is named, for the message.
    """
    known = {p.stem: p for folder in reversed(search_path()) for p in folder.glob("recipes/*.yaml")}
    if name not in known:
        raise SpaceError(place + unknown("recipe", name, known))
    form = FormReader(SpaceFile.read(known[name]))
    recipe = form.read(Recipe, form.file.content)
    if recipe is None or form.problems:
        raise SpaceError(form.problems)
    return recipe


def schema() -> dict[str, Any]:
    """JSON Schema of a space file, for completion and checks in editors. Known names are given as examples."""
    from scaling.models.registry import FAMILIES, POOLINGS  # load torch
    from scaling.space.names import COSTS, REGISTRIES, is_in_bytes, limit_names

    document = Space.model_json_schema()
    parts, properties = document["$defs"], document["properties"]
    for (settings, name), registry in REGISTRIES.items():
        parts[settings]["properties"][name]["examples"] = _examples(parts[settings]["properties"][name], registry)
    for (settings, name), costs in COSTS.items():
        parts[settings]["properties"][name]["examples"] = _examples(parts[settings]["properties"][name], costs())
    properties["family"]["examples"] = sorted(FAMILIES)
    parts["PoolingSetting"]["properties"]["name"]["examples"] = sorted(POOLINGS)
    number, size = properties["limits"].pop("additionalProperties")["anyOf"], {"type": "string"}
    properties["limits"] |= {
        "properties": {name: {"anyOf": [*number, size] if is_in_bytes(name) else number} for name in limit_names()},
        "additionalProperties": False,
    }
    for section, key in SHORT_FORMS.items():
        part = properties[section]
        short = {"type": "string", "description": f"short for {{{key}: …}}"}
        whole = part.pop("anyOf", None) or [{"$ref": part.pop("$ref")}]
        properties[section] = {"anyOf": [short, *whole], **part}
    base = {"type": "string", "description": "name of a recipe in recipes/, whose settings the ones given here change"}
    parts["Recipe"]["properties"]["base"] = base
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **document}


def _examples(part: Mapping[str, Any], names: Iterable[str]) -> list[Any]:
    """Examples of a setting that takes a name, or a list of names."""
    return [[name] if part.get("type") == "array" else name for name in sorted(names)]
