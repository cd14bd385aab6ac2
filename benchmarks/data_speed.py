"""How long it takes to know the data: fingerprint, equal images and summary, against reading the files once.

    python benchmarks/data_speed.py [files] [parquet] [dry-run] [import] [--folder DIR] [--turns 3]

Each case runs in processes of its own, so that its peak of resident memory is its own. `first` starts without the
cache of fingerprints, `again` with it; the files are in the system's cache in both. The data are made here.
"""

import argparse
import contextlib
import io
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

FILES, CLASSES, SIDE = 50_000, 100, 40
PARQUET_ROWS, ROW_BYTES = 20_000, 50_000  # 1 GB
TABLE_ROWS = 100_000
CASES = ("files", "parquet", "dry-run", "import")


@contextlib.contextmanager
def timed(found: dict[str, float], name: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    found[name] = time.perf_counter() - started


def make_files(root: Path) -> None:
    """Write JPEG files of noise, which all differ, in folders by class."""
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(0)
    for number in range(FILES):
        folder = root / "train" / f"class{number % CLASSES:03}"
        if number < CLASSES:
            folder.mkdir(parents=True)
        image = Image.fromarray(rng.integers(0, 256, (SIDE // 4, SIDE // 4, 3), dtype=np.uint8))
        image.resize((SIDE, SIDE)).save(folder / f"{number}.jpg")


def make_parquet(root: Path) -> None:
    """Write one table, each row a small image with noise behind it, in row groups of 500."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq
    from PIL import Image

    rng = np.random.default_rng(0)
    root.mkdir(parents=True)
    schema = pa.schema([("image", pa.binary()), ("label", pa.int64())])
    with pq.ParquetWriter(root / "train.parquet", schema) as writer:
        for start in range(0, PARQUET_ROWS, 500):
            rows = []
            for _ in range(500):
                written = io.BytesIO()
                Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(written, "JPEG")
                rows.append(written.getvalue() + rng.bytes(ROW_BYTES - len(written.getvalue())))
            labels = (np.arange(start, start + 500) % 10).tolist()
            writer.write_table(pa.table({"image": rows, "label": labels}, schema=schema), row_group_size=500)


def make_table(path: Path) -> None:
    """Write a table of results: 10,000 cells, two arms, five seeds."""
    lines = ["pooling,depth,width,seed,test_acc,params,macs"]
    for number in range(TABLE_ROWS):
        arm, seed, cell = number % 2, number // 2 % 5, number // 10
        depth, width = 1 + cell % 100, 8 * (1 + cell // 100)
        score = 60 + 0.1 * depth + 0.05 * width + 0.3 * arm + 0.01 * seed
        lines.append(
            f"{('avg', 'att')[arm]},{depth},{width},{seed},{score:.2f},{depth * width**2},{16 * depth * width**2}"
        )
    path.write_text("\n".join(lines) + "\n")


def know(source: str, root: Path) -> dict[str, float]:
    """Time each step of knowing a data set, and reading its files once."""
    from scaling.data.duplicates import equal_images
    from scaling.data.fingerprint import cache_file, content_of, inventories_of
    from scaling.data.pixels import PLAIN
    from scaling.data.registry import find
    from scaling.data.splits import three_sets
    from scaling.data.summary import headers
    from scaling.study.config import DataConfig

    found: dict[str, float] = {}
    with timed(found, "read once"):
        for file in root.rglob("*.*"):
            with file.open("rb") as content:
                while content.read(2**24):
                    pass
    config = DataConfig(source=source)
    with timed(found, "list"):
        listed = find(config)
        parts = three_sets(listed, config)
    with timed(found, "fingerprint"):
        inventories = inventories_of(listed)
        cached = cache_file(listed, inventories)
        content_of(listed, parts, inventories, cached)
    with timed(found, "equal images"):
        kept = cached.with_name(f"{cached.stem}-equal.json") if cached else None
        equal_images(listed, inventories, kept)
    with timed(found, "sizes and modes"):
        list(headers(listed, PLAIN))
    return found


def dry_run() -> dict[str, float]:
    """Time a dry run of the default space as a user starts it."""
    found: dict[str, float] = {}
    with timed(found, "dry run"):
        subprocess.run(
            [sys.executable, "-m", "scaling.sweep", "--space", "depth_width", "--dry-run"],
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
    return found


def import_table(path: Path) -> dict[str, float]:
    """Time reading a table of other people's results, and writing it as a study."""
    from scaling.report.imports import IMPORTERS, import_study, parse

    found: dict[str, float] = {}
    request = parse(f"csv:{path}?arm=pooling", None, None)
    with timed(found, "read"):
        IMPORTERS["csv"].read(request)
    with timed(found, "import"):
        import_study(request, path.parent / "results")
    return found


def one(case: str, folder: Path) -> dict[str, float]:
    if case == "files":
        found = know(f"folder:{folder / 'files'}", folder / "files")
    elif case == "parquet":
        found = know(f"parquet:{folder / 'parquet'}", folder / "parquet")
    elif case == "dry-run":
        return dry_run()
    else:
        found = import_table(folder / "table.csv")
    return {**found, "peak MiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def in_own_process(case: str, folder: Path, cache: Path) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, __file__, "--one", case, "--folder", str(folder)],
        check=True, capture_output=True, text=True, env={**os.environ, "SCALING_DATA": str(cache)},
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])


def report(case: str, name: str, runs: Sequence[dict[str, float]]) -> None:
    """Print the medians of several turns."""
    medians = {step: statistics.median(run[step] for run in runs) for step in runs[0]}
    print(f"{case:8} {name:6} " + "  ".join(f"{step} {value:.4g}" for step, value in medians.items()), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}; default: all")
    parser.add_argument("--folder", type=Path, help="for the data; kept. Default: a temporary one")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--one", choices=CASES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(one(options.one, options.folder)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        make = {"files": make_files, "parquet": make_parquet}
        for case in options.cases or CASES:
            if case in make and not (folder / case).exists():
                make[case](folder / case)
            if case == "import":
                make_table(folder / "table.csv")
            with tempfile.TemporaryDirectory() as cache:
                kept = [in_own_process(case, folder, Path(cache) / str(turn)) for turn in range(options.turns)]
                report(case, "first", kept)
                if case in make:
                    report(case, "again", [in_own_process(case, folder, Path(cache) / "0") for _ in kept])


if __name__ == "__main__":
    main()
