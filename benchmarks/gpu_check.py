"""Check on a GPU what cannot be tried without one, in under nine minutes: the first thing to run on a new machine.

    python benchmarks/gpu_check.py                       # on the best device here; writes gpu_check_DEVICE.json
    python benchmarks/gpu_check.py --device cpu          # the same parts, smaller, where there is no GPU
    python benchmarks/gpu_check.py --only backward graphs

Each part runs in a process of its own with a time limit, so that one failure does not hide the next, and its result is
written at once. The parts are in `gpu_parts.py`.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from scaling.devices import chosen, count, described, kind_of, name_of
from scaling.training.environment import commit, versions

HERE = Path(__file__).resolve().parent
PART = HERE / "gpu_parts.py"

# name and seconds that it may take, in the order in which they run
PARTS = {
    "device": 40,
    "backward": 60,
    "waits": 40,
    "memory": 80,
    "model_speed": 90,
    "training_speed": 110,
    "sweep_overhead": 150,
    "shares": 100,
    "resume": 60,
    "graphs": 150,
    "out_of_memory": 60,
    "workers_equal": 150,
    "worker_fails": 120,
}
MINUTES = 9.0
ON_CPU = 3  # times as long may a part take there
TRIED = {True: "ok", False: "WRONG", None: "-"}


def result_of(name: str, device: str, seconds: float) -> dict[str, Any]:
    """Run a part in a process of its own; return what it found, or how it ended."""
    began = time.monotonic()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")])}
    process = subprocess.Popen(
        [sys.executable, str(PART), name, "--device", device],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True,
    )  # fmt: skip
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)  # with the sweeps and workers that it has started
        process.communicate()
        return {"ok": False, "says": f"no end after {seconds:.0f} s", "seconds": round(time.monotonic() - began, 1)}
    taken = {"seconds": round(time.monotonic() - began, 1)}
    try:
        return {**json.loads(out.splitlines()[-1]), **taken}
    except (IndexError, json.JSONDecodeError):
        last = [line for line in err.splitlines() if line.strip()][-1:] or ["nothing was printed"]
        return {"ok": False, "says": f"exit code {process.returncode}: {last[0][:300]}", "stderr": err[-2000:], **taken}


def row(name: str, result: dict[str, Any]) -> str:
    return f"{name:16} {TRIED[result['ok']]:6} {result.get('seconds', 0.0):6.1f} s  {result['says']}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", help="cuda, xpu, mps or cpu [the best that is here]")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART", help="[all]")
    parser.add_argument("--out", type=Path, help="JSON to write [gpu_check_DEVICE.json beside this file]")
    parser.add_argument(
        "--minutes", type=float, default=MINUTES, help=f"that all parts may take together [{MINUTES:g}]"
    )
    options = parser.parse_args()
    device = chosen(options.device, "--device")
    title = described(device) if kind_of(device).is_accelerator else f"{name_of(device)}, {os.cpu_count()} cores"
    file = options.out or HERE / f"gpu_check_{re.sub(r'[^a-z0-9]+', '_', name_of(device).lower()).strip('_')}.json"
    found: dict[str, Any] = {
        "device": title,
        "device_type": device.type,
        "devices": count(device),
        "versions": {**versions(), "CUDA": torch.version.cuda},  # pyright: ignore[reportAttributeAccessIssue]
        "commit": commit(),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "load": round(os.getloadavg()[0], 1),
        "parts": {},
    }
    print(f"{title}; torch {torch.__version__}; results go to {file}")
    until = time.monotonic() + 60 * options.minutes
    patience = 1 if kind_of(device).is_accelerator else ON_CPU
    for name in (name for name in PARTS if name in options.only):
        left = until - time.monotonic()
        if left > 5:
            result = result_of(name, str(device), min(PARTS[name] * patience, left))
        else:
            result = {"ok": None, "says": f"not tried: the {options.minutes:g} minutes are over"}
        found["parts"][name] = result
        file.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        print(row(name, result), flush=True)
    return int(any(result["ok"] is False for result in found["parts"].values()))


if __name__ == "__main__":
    sys.exit(main())
