"""Adding up the gradients of ranks on one machine, through shared memory.

gloo hands every sum from thread to thread, even between two processes of one machine; waking them
takes longer than adding, and every minibatch needs a sum. Here every rank writes into its own slot
and waits, without sleeping, until the others have written theirs. There are two sets of slots in
turn: whoever begins a sum knows that all have read the one before the last.
"""

from __future__ import annotations

import mmap
import os
import platform
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from deepracer_agent.distributed import TIMEOUT, Ranks
from deepracer_car.errors import RunError

LINE = 8
"""Counters per cache line, so that ranks do not disturb one another."""
SPINS_BETWEEN_CHECKS = 20_000


class SharedSum:
    """Sums float32 tensors of one size over the ranks of one machine.

    All ranks add in the same order: they get the same bits.
    """

    def __init__(self, ranks: Ranks, size: int) -> None:
        """Map the memory that the ranks share; `possible` must hold.

        Args:
            ranks: all on this machine.
            size: numbers in a tensor.
        """
        self._rank, count = ranks.rank, ranks.size
        self._pids: list[int] = ranks.gather(os.getpid())
        counters, slots = 8 * LINE * count, 4 * size * count
        path = ranks.share(_new_file(counters + 2 * slots) if ranks.first else None)
        with Path(path).open("r+b") as file:
            memory = mmap.mmap(file.fileno(), 0)
        ranks.gather(None)
        if ranks.first:
            Path(path).unlink()  # all have it: it lives until the last of them ends
        self._arrived = np.frombuffer(memory, np.int64, LINE * count)[::LINE]
        self._slots = np.frombuffer(memory, np.float32, offset=counters).reshape(2, count, size)
        self._calls = 0

    @staticmethod
    def possible(ranks: Ranks, device: torch.device) -> bool:
        """Whether all ranks are on one machine whose writes become visible in their order."""
        here: Any = platform.node(), platform.machine() in ("x86_64", "AMD64")
        return device.type == "cpu" and set(ranks.gather(here)) == {(platform.node(), True)}

    def add_up(self, tensor: torch.Tensor) -> None:
        """Replace ``tensor`` by the sum over all ranks.

        Raises:
            RunError: another rank died, or did not come in time.
        """
        self._calls += 1
        slots, numbers = self._slots[self._calls % 2], tensor.numpy()
        slots[self._rank] = numbers
        self._arrived[self._rank] = self._calls
        self._wait()
        np.sum(slots, axis=0, out=numbers)

    def _wait(self) -> None:
        deadline = time.monotonic() + TIMEOUT.total_seconds()
        while True:
            for _ in range(SPINS_BETWEEN_CHECKS):
                if self._arrived.min() >= self._calls:
                    return
                os.sched_yield()
            if time.monotonic() > deadline or not all(map(_is_alive, self._pids)):
                raise RunError(
                    "Another process of this training died or hangs; ranks.log in the run's "
                    "directory may tell why. What was learnt is kept: go on with --resume."
                )


def _new_file(size: int) -> str:
    folder = "/dev/shm" if Path("/dev/shm").is_dir() else None
    descriptor, path = tempfile.mkstemp(prefix="deepracer-", dir=folder)
    os.ftruncate(descriptor, size)
    os.close(descriptor)
    return path


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in ("Z", "X")
