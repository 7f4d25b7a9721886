"""Ranks on one machine add up tensors through shared memory, and notice a death."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SOURCES = sorted(str(p) for p in (Path(__file__).parents[2] / "ros2_ws" / "src").iterdir())
SCRIPT = """
import os, sys
from pathlib import Path
import torch
from deepracer_agent.distributed import Ranks, start_ranks, stop_ranks, under_torchrun
from deepracer_agent.shared_sum import SharedSum
from deepracer_car.errors import RunError

others = [] if under_torchrun() else start_ranks(3, sys.argv, Path(sys.argv[2]))
ranks = Ranks.join()
assert SharedSum.possible(ranks, torch.device("cpu")) or sys.exit("not possible here")
shared = SharedSum(ranks, 1000)
torch.manual_seed(ranks.rank)
for turn in range(200):
    mine = torch.randn(1000)
    by_gloo = ranks.sum(mine.clone())
    shared.add_up(mine)
    assert torch.allclose(mine, by_gloo, atol=1e-5)
    first, *rest = ranks.gather(mine.numpy().tobytes())
    assert all(bits == first for bits in rest)
if sys.argv[1] == "die":
    if ranks.rank == 2:
        os._exit(3)
    try:
        shared.add_up(torch.ones(1000))
    except RunError as error:
        print(ranks.rank, error, flush=True)
    os._exit(0)
ranks.leave()
stop_ranks(others)
print(ranks.rank, "equal", flush=True)
os._exit(0)
"""


def run(tmp_path: Path, how: str) -> str:
    script, log = tmp_path / "script.py", tmp_path / "log"
    script.write_text(SCRIPT)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(SOURCES)}
    done = subprocess.run(
        [sys.executable, str(script), how, str(log)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if "not possible here" in done.stderr:
        pytest.skip("writes of this processor may become visible out of order")
    assert done.returncode == 0, done.stderr
    return done.stdout + log.read_text()


def test_sums_are_right_and_equal_to_the_bit(tmp_path: Path) -> None:
    assert run(tmp_path, "live").count("equal") == 3


def test_a_dead_rank_is_noticed(tmp_path: Path) -> None:
    assert "0 Another process of this training died" in run(tmp_path, "die")
