"""What several test files need: makers of studies, images and queues, known truths, and where things lie."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared"  # data beside the checkout; tests that need it skip where it is absent
RECORDS_V1 = Path(__file__).parent / "records_v1"  # records that earlier versions wrote
