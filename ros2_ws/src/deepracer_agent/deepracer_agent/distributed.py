"""Data-parallel ranks: processes that each drive their own cars and average their gradients.

The processes find one another by the environment variables of ``torchrun``. Started plainly, the
first process starts the others on this machine itself; under ``torchrun`` it finds them there.
Either way, two ranks on a laptop and sixteen on four machines run the same code.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

TIMEOUT = timedelta(minutes=10)
"""How long a rank waits for the others before it gives up."""
POLL = 0.002


def under_torchrun() -> bool:
    """Whether ``torchrun`` (or a parent of ours) has set up this process as a rank."""
    return "WORLD_SIZE" in os.environ and "RANK" in os.environ


def is_follower() -> bool:
    """Whether this process is a rank above 0, which does what rank 0 tells it."""
    return under_torchrun() and os.environ["RANK"] != "0"


def start_ranks(count: int, command: Sequence[str], log: Path) -> list[subprocess.Popen[bytes]]:
    """Make this process rank 0 of ``count`` and start the others with ``command`` on this machine.

    The others are started before torch is imported here, so that all import it at the same time.

    Args:
        count: number of ranks, this process included.
        command: arguments of the Python interpreter.
        log: file for whatever the others print.
    """
    if count == 1:
        return []
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    shared = {"WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    if sys.platform == "linux":
        shared["GLOO_SOCKET_IFNAME"] = "lo"
    os.environ.update(shared, RANK="0")
    with log.open("ab") as output:
        return [
            subprocess.Popen(
                [sys.executable, *command],
                env={**os.environ, "RANK": str(rank)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C is for rank 0, which tells the others
            )
            for rank in range(1, count)
        ]


def stop_ranks(processes: Sequence[subprocess.Popen[bytes]], patience: float = 5.0) -> None:
    """Wait for the other ranks to end, at most ``patience`` seconds, and stop being rank 0."""
    for process in processes:
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if processes:
        for name in ("WORLD_SIZE", "RANK", "MASTER_ADDR", "MASTER_PORT", "GLOO_SOCKET_IFNAME"):
            os.environ.pop(name, None)


class Ranks:
    """The group of processes that learn together; alone, every operation is trivial."""

    def __init__(self, rank: int = 0, size: int = 1) -> None:
        """Be number ``rank`` of ``size``; see `join`."""
        self.rank = rank
        self.size = size

    @classmethod
    def join(cls) -> Ranks:
        """Join the group that the environment names; alone if it names none."""
        if not under_torchrun():
            return cls()
        import torch.distributed as dist

        dist.init_process_group("gloo", timeout=TIMEOUT)
        return cls(dist.get_rank(), dist.get_world_size())

    @property
    def first(self) -> bool:
        """Whether this is rank 0, which alone writes files."""
        return self.rank == 0

    def meet(self) -> None:
        """Wait until every rank has come this far; unlike other operations, signals are heard."""
        if self.size > 1:
            import torch.distributed as dist

            meeting = dist.barrier(async_op=True)
            while not meeting.is_completed():
                time.sleep(POLL)
            meeting.wait()

    def sum(self, tensor: torch.Tensor) -> torch.Tensor:
        """Add up ``tensor`` over all ranks, in place."""
        if self.size > 1:
            import torch.distributed as dist

            dist.all_reduce(tensor)
        return tensor

    def share(self, value: Any) -> Any:
        """Return rank 0's ``value`` on every rank."""
        if self.size == 1:
            return value
        import torch.distributed as dist

        box = [value]
        dist.broadcast_object_list(box)
        return box[0]

    def gather(self, value: Any) -> list[Any]:
        """Return every rank's ``value``, in order of rank, on every rank."""
        if self.size == 1:
            return [value]
        import torch.distributed as dist

        values: list[Any] = [None] * self.size
        dist.all_gather_object(values, value)
        return values

    def leave(self) -> None:
        """Leave the group."""
        if self.size > 1:
            import torch.distributed as dist

            dist.destroy_process_group()
