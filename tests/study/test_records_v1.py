"""Records of earlier versions keep their keys, their content and the answers that follow from them."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from scaling.report.looks_file import analyse_study
from scaling.report.verdict_file import verdict_document
from scaling.space.schema import Space
from scaling.study.aliases import EARLIER_NAMES
from scaling.study.config import DataConfig, Recipe, Resources, TrialConfig
from scaling.study.reading import read_what_can_be
from scaling.study.records import Record, Study, read_records, read_study, write_record, write_study
from scaling.study.trial_frame import load_study
from tests.support import RECORDS_V1

STUDIES = sorted(path.parent for path in RECORDS_V1.glob("*/study.json"))
FILES = sorted(RECORDS_V1.glob("*/records/*.json"))
WORDING = {"sentence", "headline", "caveats", "said", "question", "scaling", "cause", "meaning"}  # may be reworded


def leaves(document: Any, path: str = "") -> dict[str, Any]:
    """Return every number and word of a document by its path, except the sentences that may be reworded."""
    if isinstance(document, dict):
        parts = [(key, value) for key, value in document.items() if key not in WORDING]
    elif isinstance(document, list):
        parts = enumerate(document)
    else:
        return {path: document}
    return {where: leaf for key, part in parts for where, leaf in leaves(part, f"{path}/{key}").items()}


def test_all_committed_records_are_there() -> None:
    assert len(STUDIES) == 2
    assert len(FILES) == 66


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_an_earlier_record_keeps_its_key(file: Path) -> None:
    record = Record.model_validate_json(file.read_bytes())

    assert TrialConfig(**record.config).key == record.key == file.stem


@pytest.mark.parametrize("folder", STUDIES, ids=lambda folder: folder.name)
def test_every_reader_reads_earlier_records(folder: Path) -> None:
    records, reading, table = read_records(folder), read_what_can_be(folder), load_study(folder)

    assert reading.left_out == []
    assert reading.records == records
    assert list(table["key"]) == [record.key for record in records]
    assert {record.key for record in records} == {path.stem for path in (folder / "records").glob("*.json")}
    assert {record.key for record in records} <= set(read_study(folder).planned)


@pytest.mark.parametrize("folder", STUDIES, ids=lambda folder: folder.name)
def test_earlier_records_read_back_equal_when_written_anew(folder: Path, tmp_path: Path) -> None:
    for record in read_records(folder):
        write_record(tmp_path, record)
    write_study(tmp_path, read_study(folder))

    assert read_records(tmp_path) == read_records(folder)
    assert read_study(tmp_path) == read_study(folder)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_nothing_in_an_earlier_record_gets_lost(file: Path) -> None:
    stored = json.loads(file.read_bytes())

    written = json.loads(Record.model_validate(stored).model_dump_json(by_alias=True))

    present_names = {old: new for new, names in EARLIER_NAMES.items() for old in names}
    for where, value in leaves({present_names.get(name, name): value for name, value in stored.items()}).items():
        assert leaves(written)[where] == value, where


@pytest.mark.parametrize("name", ["bracket", "learning_rate_grid"])
def test_a_learning_rate_grid_has_two_names(name: str, tmp_path: Path) -> None:
    stored = {**json.loads(FILES[0].read_bytes()), name: [0.001, 0.01]}
    for other in {"bracket", "learning_rate_grid"} - {name}:
        stored.pop(other, None)
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / FILES[0].name).write_text(json.dumps(stored))

    (record,), (same,) = read_records(tmp_path), read_what_can_be(tmp_path).records
    write_record(tmp_path, record)

    assert record.learning_rate_grid == same.learning_rate_grid == [0.001, 0.01]
    assert read_records(tmp_path) == [record]
    written = json.loads((tmp_path / "records" / FILES[0].name).read_text())
    assert written["learning_rate_grid"] == [0.001, 0.01]
    assert "bracket" not in written


MODELS = [Record, Study, Space, Resources, Recipe, DataConfig, TrialConfig]
RENAMED = [
    (model, new, name)
    for model in MODELS
    for new, names in EARLIER_NAMES.items()
    for name in (new, *names)
    if new in model.model_fields
]


@pytest.mark.parametrize(("model", "new", "name"), RENAMED)
def test_a_renamed_field_is_read_by_any_name(model: type[BaseModel], new: str, name: str) -> None:
    with pytest.raises(ValidationError) as caught:
        model.model_validate({name: object()})

    wrong = [error for error in caught.value.errors() if {name, new} & set(map(str, error["loc"]))]
    assert [error["type"] for error in wrong if error["type"] != "extra_forbidden"]  # its value is wrong, not its name


def test_every_earlier_name_belongs_to_a_field() -> None:
    assert EARLIER_NAMES.keys() <= {new for _, new, _ in RENAMED}


def test_old_records_are_judged_as_cells_that_share_seeds() -> None:
    folder = RECORDS_V1 / "example"
    before = json.loads((folder / "verdict.json").read_text())["verdicts"][0]

    found = verdict_document(analyse_study(folder))

    (verdict,) = found["verdicts"]
    assert found["schema"] == 2
    assert verdict["kind"] == before["kind"]
    assert verdict["here"]["estimate"] == pytest.approx(before["difference"]["estimate"])
    assert verdict["pairs"] == before["pairs"]
    assert any("same seed in every cell" in caveat for caveat in found["caveats"])
