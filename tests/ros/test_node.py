"""The life of a node's process, on rclpy of today and of Foxy."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("rclpy")

ON_FOXY = """
import rclpy, rclpy.signals

init, options = rclpy.init, rclpy.signals.SignalHandlerOptions
del rclpy.signals.SignalHandlerOptions
rclpy.init = lambda *, args=None, context=None: init(
    args=args, context=context, signal_handler_options=options.NO
)
"""

LAST_WORDS = """
import os, signal, threading

from rclpy.node import Node

from deepracer_car.ros.node import spin

class Brief(Node):
    def __init__(self):
        super().__init__("brief")
        threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGTERM)).start()

    def destroy_node(self):
        assert self.context.ok()
        print("last words")
        super().destroy_node()

raise SystemExit(spin(Brief))
"""


@pytest.mark.parametrize("before", ["", ON_FOXY], ids=["today", "foxy"])
def test_a_node_that_is_told_to_end_has_its_last_words(
    ros_environment: dict[str, str], before: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", before + LAST_WORDS],
        env=ros_environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (0, "last words\n"), done.stderr
