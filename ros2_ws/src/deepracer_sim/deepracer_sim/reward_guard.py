"""Keeps untried code from doing harm by mistake: limits of the process, and refused operations.

This is a fence against accidents, not a prison: who wants to climb over it can.
"""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

REFUSED_EVENTS = {
    "os.system": "starts a process",
    "os.exec": "starts a process",
    "os.fork": "starts a process",
    "os.forkpty": "starts a process",
    "os.posix_spawn": "starts a process",
    "os.spawn": "starts a process",
    "subprocess.Popen": "starts a process",
    "os.kill": "sends a signal",
    "os.killpg": "sends a signal",
    "os.chmod": "changes a file",
    "os.link": "changes a file",
    "os.mkdir": "changes a file",
    "os.remove": "changes a file",
    "os.rename": "changes a file",
    "os.rmdir": "changes a file",
    "os.symlink": "changes a file",
    "os.truncate": "changes a file",
    "socket.__new__": "opens a network connection",
    "socket.getaddrinfo": "opens a network connection",
}
"""Audit events of Python (see "Audit events table" in its manual) that are not let through."""

WRITING = os.O_WRONLY | os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_TRUNC


class Guard:
    """Refuses to write files, start processes and open connections while it is `watching`.

    Attributes:
        refusals: what was refused, even if the code caught the exception.
    """

    def __init__(self) -> None:
        """Install the hook; Python has no way to remove it again."""
        self.refusals: list[PermissionError] = []
        self._watching = False
        sys.addaudithook(self._audit)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Refuse within this context."""
        self._watching = True
        try:
            yield
        finally:
            self._watching = False

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._watching:
            return
        act = REFUSED_EVENTS.get(event)
        if event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITING:
            act = "writes a file"
        if act is None:
            return
        refusal = PermissionError(f"a reward function that {act} is not allowed")
        self.refusals.append(refusal)
        raise refusal


def limit_process(memory: int, cpu_seconds: int) -> None:
    """Limit this process for good.

    Args:
        memory: bytes of address space on top of what it has now.
        cpu_seconds: of processor time from its start.
    """
    limits = {
        resource.RLIMIT_AS: _address_space() + memory,
        resource.RLIMIT_CPU: cpu_seconds,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_NOFILE: 64,
        resource.RLIMIT_CORE: 0,
    }
    for kind, limit in limits.items():
        hard = resource.getrlimit(kind)[1]
        allowed = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(kind, (allowed, allowed))


def _address_space() -> int:
    """Bytes this process has mapped."""
    return _pages()[0] * resource.getpagesize()


def memory_in_use() -> int:
    """Bytes this process has in memory."""
    return _pages()[1] * resource.getpagesize()


def _pages() -> list[int]:
    return [int(number) for number in Path("/proc/self/statm").read_text().split()]
