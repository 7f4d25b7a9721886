"""How every benchmark prints its result: one JSON line that names the machine."""

from __future__ import annotations

import json
import os
import platform
import re
from pathlib import Path
from typing import Any


def report(benchmark: str, **values: Any) -> None:
    """Print ``values`` with the name of the benchmark, the processor and the cores to be used."""
    found = re.search(r"model name\s*: (.*)", _read("/proc/cpuinfo"))
    cpu = found[1] if found else platform.processor()
    cores = len(os.sched_getaffinity(0))
    load = round(os.getloadavg()[0], 1)
    print(json.dumps({"benchmark": benchmark, **values, "cpu": cpu, "cores": cores, "load": load}))


def _read(path: str) -> str:
    return Path(path).read_text() if Path(path).exists() else ""
