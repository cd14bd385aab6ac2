"""What several tests of reports need: one written report."""

from pathlib import Path

import pytest

from scaling.report.write import write_report
from tests.support.studies import REPORTED, describe, simulated_records, write_simulation


@pytest.fixture(scope="session")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the report of a whole study, that of `REPORTED`, named `pools`; tests must not change it."""
    folder, records = tmp_path_factory.mktemp("whole"), simulated_records(REPORTED)
    study = write_simulation(folder / "results" / "pools", records, describe(records, REPORTED, "pools"))
    write_report(study, folder / "reports")
    return folder / "reports" / "pools"
