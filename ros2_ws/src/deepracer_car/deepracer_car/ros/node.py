"""The life of a node's process: start, spin, end with an exit status that tells the truth."""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType
from typing import Any, Callable, Dict, Iterable, List, Optional, Tuple

import rclpy
from rcl_interfaces.msg import ParameterDescriptor
from rclpy.clock import Clock, ClockType
from rclpy.exceptions import InvalidParameterTypeException
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node

from deepracer_car.errors import ConfigError, DeepRacerError

try:
    from rclpy.signals import SignalHandlerOptions

    # Handlers of rclpy's own would close the context before the node has said its last words.
    OWN_SIGNALS = {"signal_handler_options": SignalHandlerOptions.NO}
except ImportError:  # Foxy: its handlers leave the context open.
    OWN_SIGNALS = {}

ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, a polite kill, and the end of the terminal or of the ssh it was started in."""
SIGNAL_PATIENCE = 0.1
"""A signal is heeded within this time, s: Python sees one only when it runs."""
LEAVING_PATIENCE = 5.0
"""Time that the middleware has to let go of the process, s."""

SIMULATOR_LOST = "going back to the last checkpoint"
"""How a trainer's log line begins when its simulator has failed; launch then starts a new one."""


def spin(make_node: Callable[[], Node], args: Optional[List[str]] = None) -> int:
    """Make a node, spin it until it is told to stop, and return the exit status of its process.

    In `Node.destroy_node` the node can still publish its last words, such as a throttle of zero.
    Ctrl-C, a polite kill and the loss of its terminal end it with 0. A `DeepRacerError`, when the
    node is made or in one of its callbacks, is told on standard error and ends it with 1.
    """
    rclpy.init(args=args, **OWN_SIGNALS)
    asked: List[int] = []

    def ask(number: int, frame: Optional[FrameType]) -> None:
        asked.append(number)
        raise KeyboardInterrupt

    def heed() -> None:
        if asked:  # The exception was lost where none can be raised, such as in a destructor.
            raise KeyboardInterrupt

    for number in ENDS:
        # Whoever had it ignored before, such as nohup, meant it.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, ask)
    node: Optional[Node] = None
    status = 0
    try:
        node = make_node()
        node.create_timer(SIGNAL_PATIENCE, heed, clock=Clock(clock_type=ClockType.STEADY_TIME))
        rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except DeepRacerError as error:
        sys.stderr.write(f"error: {error}\n")
        status = 1
    finally:
        # A launch often sends the signal twice; the second must not tear the clean-up.
        for number in ENDS:
            signal.signal(number, signal.SIG_IGN)
        if node is not None:
            node.destroy_node()
        _leave_soon(status)
        rclpy.try_shutdown()
    return status


def read_parameters(node: Node, parameters: Iterable[Tuple[str, Any, str]]) -> Dict[str, Any]:
    """Declare parameters that are set once, when the node starts, and return their values by name.

    Args:
        node: whose they are.
        parameters: name, default and description of each; the default tells the type.

    Raises:
        ConfigError: one was given a value of another type.
    """
    return {name: _read_parameter(node, name, *rest) for name, *rest in parameters}


def _read_parameter(node: Node, name: str, default: Any, description: str) -> Any:
    descriptor = ParameterDescriptor(description=description, read_only=True)
    is_number = isinstance(default, float)
    if is_number and hasattr(descriptor, "dynamic_typing"):
        descriptor.dynamic_typing = True  # 1 is a number too; older versions do not mind anyway.
    try:
        value = node.declare_parameter(name, default, descriptor).value
    except InvalidParameterTypeException as error:
        raise ConfigError(f"parameter {name}: {error}") from None
    if not is_number:
        return value
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ConfigError(f"parameter {name}: {value!r} given, a number is allowed")
    return float(value)


def _leave_soon(status: int) -> None:
    """End the process even if the middleware never lets go; by now all has been said."""
    timer = threading.Timer(LEAVING_PATIENCE, os._exit, (status,))
    timer.daemon = True
    timer.start()
