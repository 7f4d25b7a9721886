"""The life of a node's process: start, spin, end with an exit status that tells the truth."""

from __future__ import annotations

import signal
import sys
from typing import Callable, List, Optional

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node

from deepracer_car.errors import DeepRacerError


def spin(make_node: Callable[[], Node], args: Optional[List[str]] = None) -> int:
    """Make a node, spin it until it is told to stop, and return the exit status of its process.

    Ctrl-C and a polite kill end it with 0. A `DeepRacerError`, when the node is made or in one of
    its callbacks, is told on standard error and ends it with 1.
    """
    rclpy.init(args=args)
    node: Optional[Node] = None
    try:
        node = make_node()
        rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except RuntimeError:
        # A callback that was running when the signal came finds ROS shut down under it.
        if rclpy.ok():
            raise
    except DeepRacerError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    finally:
        # A launch often sends the signal twice; the second must not tear the clean-up.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()
    return 0
