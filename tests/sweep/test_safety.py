"""Nothing read is executed, and no remote cluster is joined without a token."""

import ast
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

import scaling
from scaling.space.load import load_space
from scaling.study.errors import SpaceError
from scaling.sweep.authentication import AuthenticationError, host_of, own_token, require_token, token_hint

PACKAGE = Path(scaling.__file__).parent
FORBIDDEN_MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__"}  # as plain names: torch.compile is another thing
PLUGINS = "study/plugin_import.py"  # compiles the plugins that the user names with --plugin, which are code
UNSAFE_YAML = {"load", "load_all", "unsafe_load", "unsafe_load_all", "full_load", "full_load_all"}


def dangers(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and name of everything in a module that could execute what it reads."""
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    safe = {node.name for node in classes if [ast.unparse(base) for base in node.bases] == ["yaml.SafeLoader"]}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            yield from ((node.lineno, f"import {name}") for name in names if name.split(".")[0] in FORBIDDEN_MODULES)
        if not isinstance(node, ast.Call):
            continue
        keywords = {k.arg: getattr(k.value, "value", None) for k in node.keywords}
        if isinstance(node.func, ast.Name) and node.func.id in FORBIDDEN_CALLS:
            yield node.lineno, node.func.id
        if isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
            owner, name = node.func.value.id, node.func.attr
            if (owner, name) == ("yaml", "load") and not _safe_loader(node, safe):
                yield node.lineno, "yaml.load"
            if owner == "yaml" and name in UNSAFE_YAML - {"load"}:
                yield node.lineno, f"yaml.{name}"
            if (owner, name) == ("torch", "load") and keywords.get("weights_only") is not True:
                yield node.lineno, "torch.load without weights_only=True"
            if (owner, name) in {("pd", "read_pickle"), ("os", "system"), ("torch", "hub")}:
                yield node.lineno, f"{owner}.{name}"
        if isinstance(node.func, ast.Attribute) and node.func.attr in {"add_constructor", "add_multi_constructor"}:
            yield node.lineno, f"yaml's {node.func.attr}"
        if keywords.get("allow_pickle") is True or keywords.get("shell") is True:
            yield node.lineno, "allow_pickle or shell"


def _safe_loader(call: ast.Call, safe: set[str]) -> bool:
    """Whether yaml.load is given a loader without tags that construct objects, or a class derived from one here."""
    loaders = [*call.args[1:2], *(k.value for k in call.keywords if k.arg == "Loader")]
    return any(ast.unparse(node) in {"yaml.SafeLoader", "yaml.CSafeLoader", *safe} for node in loaders)


@pytest.mark.parametrize(
    ("code", "is_dangerous"),
    [
        ("import pickle", True),
        ("from joblib import load", True),
        ("torch.load(path)", True),
        ("torch.load(path, weights_only=False)", True),
        ("torch.load(path, weights_only=True)", False),
        ("np.load(path, allow_pickle=True)", True),
        ("np.load(path)", False),
        ("yaml.load(text)", True),
        ("yaml.load(text, Loader=yaml.FullLoader)", True),
        ("yaml.load(text, Loader=yaml.SafeLoader)", False),
        ("class Loader(yaml.SafeLoader): ...\nyaml.load(text, Loader=Loader)", False),
        ("class Loader(yaml.UnsafeLoader): ...\nyaml.load(text, Loader=Loader)", True),
        ("yaml.load(text, Loader=Loader)", True),
        ("Loader.add_constructor(tag, os.system)", True),
        ("yaml.unsafe_load(text)", True),
        ("eval(text)", True),
        ("model.eval()", False),
        ("torch.compile(model)", False),
        ("subprocess.run(text, shell=True)", True),
    ],
)
def test_dangerous_code_is_recognised(code: str, is_dangerous: bool) -> None:
    assert bool(list(dangers(ast.parse(code)))) == is_dangerous


def test_the_package_never_executes_what_it_reads() -> None:
    files = sorted(PACKAGE.rglob("*.py"))

    found = [
        f"{file.relative_to(PACKAGE)}:{line}: {danger}"
        for file in files
        for line, danger in dangers(ast.parse(file.read_text(encoding="utf-8")))
        if (file.relative_to(PACKAGE).as_posix(), danger) != (PLUGINS, "compile")
    ]

    assert len(files) > 50
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        "question: !!python/object/apply:os.system ['touch MARK']",
        "question: !!python/object/new:subprocess.Popen [['touch', 'MARK']]",
        "recipe: !!python/name:os.system",
        "arms: !!python/module:os",
        "axes: !custom {depth: [1, 2]}",
    ],
)
def test_a_space_file_executes_nothing(tmp_path: Path, line: str) -> None:
    mark = tmp_path / "mark"
    file = tmp_path / "space.yaml"
    file.write_text(f"family: patchconvnet\n{line.replace('MARK', str(mark))}\n")

    with pytest.raises(SpaceError, match=r"space\.yaml:2: .*leave out the tag") as refused:
        load_space(str(file))

    assert len(refused.value.problems) == 1
    assert len(str(refused.value).splitlines()) == 1
    assert not mark.exists()


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("auto", None),
        ("local", None),
        ("127.0.0.1:6379", None),
        ("127.3.2.1", None),
        ("localhost:6379", None),
        ("[::1]:6379", None),
        (f"{socket.gethostname()}:6379", None),
        ("ray://localhost:10001", None),
        ("10.0.0.7:6379", "10.0.0.7"),
        ("node17", "node17"),
        ("ray://head.example.org:10001", "head.example.org"),
        ("[2001:db8::1]:6379", "2001:db8::1"),
    ],
)
def test_the_host_of_an_address_is_found(address: str, host: str | None) -> None:
    assert host_of(address) == host


def test_a_remote_cluster_needs_a_token(tmp_path: Path) -> None:
    file = tmp_path / "token"
    elsewhere = "10.0.0.7:6379"

    require_token(None, {}, tmp_path)
    require_token("auto", {}, tmp_path)
    with pytest.raises(AuthenticationError, match=r"^--address 10\.0\.0\.7:6379: no token .*`ray get-auth-token`"):
        require_token(elsewhere, {}, tmp_path)
    with pytest.raises(AuthenticationError, match="holds no token"):
        require_token(elsewhere, {"RAY_AUTH_TOKEN_PATH": str(file)}, tmp_path)
    with pytest.raises(AuthenticationError, match="RAY_AUTH_MODE=disabled lets anyone"):
        require_token(elsewhere, {"RAY_AUTH_MODE": "disabled", "RAY_AUTH_TOKEN": "t"}, tmp_path)
    require_token(elsewhere, {"RAY_AUTH_TOKEN": "t"}, tmp_path)
    file.write_text("t")
    require_token(elsewhere, {"RAY_AUTH_TOKEN_PATH": str(file)}, tmp_path)
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text(" \n")
    with pytest.raises(AuthenticationError, match="no token"):
        require_token(elsewhere, {}, tmp_path)
    (tmp_path / ".ray" / "auth_token").write_text("t\n")
    require_token(elsewhere, {}, tmp_path)


def test_a_cluster_of_ones_own_gets_a_random_token() -> None:
    environ: dict[str, str] = {}
    tokens = set()
    for _ in range(2):
        with own_token(environ):
            file = Path(environ["RAY_AUTH_TOKEN_PATH"])
            assert file.stat().st_mode & 0o777 == 0o600
            assert file.parent.stat().st_mode & 0o777 == 0o700
            assert token_hint(environ) == f"token: cat {file}"
            tokens.add(file.read_text())
        assert not file.parent.exists()
        assert environ == {}
    assert len(tokens) == 2
    assert all(len(token) == 64 for token in tokens)


@pytest.mark.parametrize(
    "set_before",
    [{"RAY_AUTH_TOKEN": "x"}, {"RAY_AUTH_TOKEN_PATH": "/home/me/token"}, {"RAY_AUTH_MODE": "disabled"}],
    ids=str,
)
def test_a_token_of_the_user_is_kept(set_before: dict[str, str]) -> None:
    environ = dict(set_before)

    with own_token(environ):
        assert environ == set_before

    assert environ == set_before
