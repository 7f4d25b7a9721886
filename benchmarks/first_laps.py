"""From process start to a policy that drives; prints one JSON line.

Each seed trains ``examples/quickstart`` in a process of its own until the greedy policy has driven
3 clean laps from each of 4 starts on re:Invent 2018: ``seconds`` of wall time from the start of the
process to its end, imports included. Each run then goes on to 60,000 steps: ``later_passed`` of
``later`` further evaluations were clean too. ``peak_rss_mib``: memory of all processes of a run.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil
from report import report

from deepracer_agent.metrics import read_metrics

QUICKSTART = Path(__file__).parents[1] / "examples" / "quickstart"
LATER_STEPS = 60_000


def train(runs: Path, *arguments: str) -> tuple[float, float]:
    """Run ``deepracer train`` to its end; returns seconds and peak memory in MiB."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "deepracer_agent.cli", "train", "--runs", str(runs)]
    process = subprocess.Popen([*command, *arguments], stdout=subprocess.DEVNULL)
    peak = [0.0]
    watcher = threading.Thread(target=watch, args=(process.pid, peak), daemon=True)
    watcher.start()
    if process.wait() != 0:
        raise SystemExit("training failed")
    seconds = time.perf_counter() - started
    watcher.join(1.0)
    return seconds, peak[0]


def watch(pid: int, peak: list[float]) -> None:
    """Sample the memory of a process and its children until it ends."""
    try:
        process = psutil.Process(pid)
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            family = [process, *process.children(recursive=True)]
            peak[0] = max(peak[0], sum(p.memory_info().rss for p in family) / 2**20)
            time.sleep(0.05)
    except psutil.NoSuchProcess:
        return


def main() -> None:
    """Train all seeds, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    seeds = range(parser.parse_args().seeds)
    seconds, steps, memory, later = [], [], [], []
    with tempfile.TemporaryDirectory() as folder:
        for seed in seeds:
            name, bare = f"seed-{seed}", ("--no-video", "--no-plot")
            took, peak = train(
                Path(folder), str(QUICKSTART), "--name", name, "--seed", str(seed), *bare
            )
            run = Path(folder) / name
            _, first = read_metrics(run / "metrics.jsonl")
            seconds.append(round(took, 1))
            steps.append(first[-1].steps)
            train(Path(folder), "--resume", name, "--set", "stop.laps=null",
                  "--steps", str(LATER_STEPS), *bare)  # fmt: skip
            _, all_of_them = read_metrics(run / "metrics.jsonl")
            later += [evaluation.is_clean for evaluation in all_of_them[len(first) :]]
            memory.append(round(peak))
    report(
        "first_laps",
        seconds=seconds,
        steps=steps,
        later=len(later),
        later_passed=sum(later),
        peak_rss_mib=max(memory),
    )


if __name__ == "__main__":
    main()
