"""Settings of a process that learns or drives with a network."""

from __future__ import annotations

import ctypes
import os
import sys

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4
_KEEP = 1 << 30


def prepare_process() -> None:
    """Set up memory and threads, before the first frame.

    One thread: each core has a rank of its own, and on a busy machine a second thread makes small
    networks many times slower. ``OMP_NUM_THREADS`` overrides that.
    """
    import torch

    keep_freed_memory()
    # Checks of every distribution's arguments, made several times a step; PPO looks for NaN itself.
    torch.distributions.Distribution.set_default_validate_args(False)
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(1)


def keep_freed_memory() -> None:
    """Tell glibc not to give freed memory back to the kernel.

    Frames and features of a minibatch are megabytes; by default they are mapped, faulted in page
    by page and unmapped again every time, for nothing.
    """
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):  # musl has none
        libc.mallopt(_M_MMAP_MAX, 0)
        libc.mallopt(_M_TRIM_THRESHOLD, _KEEP)
        libc.mallopt(_M_TOP_PAD, 1 << 26)
