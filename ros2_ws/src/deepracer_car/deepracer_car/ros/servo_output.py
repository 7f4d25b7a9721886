"""Drives the physical car through the messages of its own software, as they are installed there.

The servo node has no watchdog, ignores what is out of range and holds its last pulse. So nothing is
sent that it would ignore, and a servo node that was built with other messages than ours, which may
hear no stop, is a fault.
"""

from __future__ import annotations

import threading
from importlib import import_module
from typing import Any, Callable, Optional

from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from deepracer_car.actuation import Command
from deepracer_car.errors import ConfigError, SimulatorError, did_you_mean
from deepracer_car.ros import topics

SERVO_MESSAGE = "/ctrl_pkg/servo_msg"
AUTONOMOUS_DRIVE = "/deepracer_navigation_pkg/auto_drive"
RAW_PULSES = "/ctrl_pkg/raw_pwm"
SWITCH = "/servo_pkg/servo_gpio"
CAMERA_STATE = "/camera_pkg/media_state"

OUTPUTS = {"beside": AUTONOMOUS_DRIVE, "replace": SERVO_MESSAGE}
"""Beside the car's own software, whose control node passes commands on; or in place of all of it
but its camera node and its servo node."""
ON, OFF = 0, 1
"""What is written to the switch of servo and motor."""
CHECK_SECONDS = 1.0
PACKAGE = "deepracer_interfaces_pkg"


def car_messages(kind: str = "msg") -> Any:
    """Return a module of the car's message package: ``msg`` or ``srv``.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        return import_module(f"{PACKAGE}.{kind}")
    except ImportError as error:
        raise ConfigError(
            f"The car's package {PACKAGE} is not there ({error}). Source the setup file of the "
            "car's software first, such as /opt/aws/deepracer/lib/setup.bash."
        ) from None


def servo_message(angle: float, throttle: float, stamp: Any) -> Any:
    """Return a ServoCtrlMsg as it is installed; ``stamp`` is used where there is a field for it."""
    kind = car_messages().ServoCtrlMsg
    message = kind(angle=float(angle), throttle=float(throttle))
    if "source_stamp" in kind.get_fields_and_field_types():
        message.source_stamp = stamp
    return message


def open_servo_output(node: Node, output: str) -> ServoOutput:
    """Return what drives the physical car, one of `OUTPUTS`.

    Raises:
        ConfigError: there is no such output, or the car's messages are not installed.
    """
    if output not in OUTPUTS:
        raise ConfigError(
            f"output: '{output}' given, one of topics, {', '.join(OUTPUTS)} is allowed."
            + did_you_mean(output, ["topics", *OUTPUTS])
        )
    return ServoOutput(node, OUTPUTS[output], switches_camera=output == "replace")


class ServoOutput:
    """An `Actuator` that publishes ServoCtrlMsg and switches the power of servo and motor.

    Attributes:
        picture_stamp: of the picture that the next command was decided on; without one, of a time
            when there was none, the command is stamped when it is sent.
    """

    def __init__(self, node: Node, topic: str, switches_camera: bool) -> None:
        """Publish on ``node``; ask for the camera, too, where nobody else does."""
        messages, services = car_messages(), car_messages("srv")
        self.picture_stamp: Any = None
        self._node = node
        # Reliable serves the best effort subscribers of the car, too.
        qos = topics.every_message(depth=1)
        self._out = node.create_publisher(messages.ServoCtrlMsg, topic, qos)
        self._others_told = False
        self._mismatch = ""
        self._power = Request(
            node, services.ServoGPIOSrv, SWITCH, lambda on: {"enable": ON if on else OFF}
        )
        self._camera: Optional[Request] = None
        if switches_camera:
            self._camera = Request(
                node, services.VideoStateSrv, CAMERA_STATE, lambda on: {"activate_video": int(on)}
            )
            self._camera.want(True)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        node.create_timer(CHECK_SECONDS, self._check, clock=steady)

    def apply(self, command: Command) -> None:
        """Publish a command.

        Raises:
            SimulatorError: whoever listens was built with other messages and may not understand.
        """
        command = command.bounded()
        stamp = self.picture_stamp
        if stamp is None or not (stamp.sec or stamp.nanosec):
            stamp = self._node.get_clock().now().to_msg()
        self._out.publish(servo_message(command.angle, command.throttle, stamp))
        if self._mismatch:
            raise SimulatorError(self._mismatch)

    def power(self, on: bool) -> None:
        """Ask for the power to be switched; asked again until somebody says that it was done."""
        if on:
            self._mismatch = self._foreign_messages(self._out.topic_name)
        self._power.want(on)

    def _check(self) -> None:
        """Ask again what was not answered, and look who else is there."""
        self._power.insist()
        if self._camera is not None:
            self._camera.insist()
        topic = self._out.topic_name
        self._mismatch = self._foreign_messages(topic)
        others = self._node.count_publishers(topic) > 1
        if others and topic == SERVO_MESSAGE and not self._others_told:
            self._node.get_logger().warning(
                f"Somebody else publishes on {topic}, too, and the car does what comes last: stop "
                "the car's own software but for its camera and servo nodes, or use output:=beside."
            )
        self._others_told = others

    def _foreign_messages(self, topic: str) -> str:
        """Return what is wrong with those who listen; empty if they are built with our messages."""
        node = self._node
        me = (node.get_name(), node.get_namespace())
        ours = {
            _hash(end)
            for end in node.get_publishers_info_by_topic(topic)
            if (end.node_name, end.node_namespace) == me
        }
        theirs = node.get_subscriptions_info_by_topic(topic)
        foreign = [end.node_name for end in theirs if ours and _hash(end) not in ours]
        if not foreign:
            return ""
        name = "Somebody" if foreign[0].startswith("_") else foreign[0]  # It is not known at once.
        return (
            f"{name} listens on {topic} with another ServoCtrlMsg than ours and may not "
            f"understand a stop. Source the setup file of the {PACKAGE} it was built with."
        )


class Request:
    """A switch behind a service: what is wanted is asked for until the answer is that it is so."""

    def __init__(self, node: Node, kind: Any, service: str, fields: Callable[[bool], Any]) -> None:
        """Ask nothing yet; ``fields`` makes those of a request from what is wanted."""
        self._client = node.create_client(kind, service)
        self._kind, self._fields, self._logger = kind, fields, node.get_logger()
        self._lock = threading.RLock()  # An answer may be there at once, in the same thread.
        self._wanted: Any = None
        self._asked: Any = None
        self._is_done = False
        self._told = ""

    def want(self, on: bool) -> None:
        """Ask, without waiting for the answer."""
        with self._lock:
            self._wanted, self._is_done = on, False
            self._ask()

    def insist(self) -> None:
        """Ask again, if it was not done, or whoever did it is gone and may come back."""
        with self._lock:
            is_there = self._client.service_is_ready()
            self._is_done = self._is_done and is_there
            if self._wanted is not None and not self._is_done:
                if not is_there:
                    self._tell("nobody offers it")
                self._ask()

    def _ask(self) -> None:
        if not self._client.service_is_ready():
            return
        self._asked = self._client.call_async(self._kind.Request(**self._fields(self._wanted)))
        self._asked.add_done_callback(self._answered)

    def _answered(self, future: Any) -> None:
        with self._lock:
            if future is not self._asked:
                return  # It says nothing about what is wanted now.
            failure = future.exception()
            error = failure if failure is not None else future.result().error
            self._is_done = not error
            self._tell(f"it failed with error {error}" if error else "")

    def _tell(self, problem: str) -> None:
        if problem and problem != self._told:
            name = self._client.srv_name
            self._logger.warning(f"Service {name}: {problem}. It is asked again and again.")
        self._told = problem


def _hash(end: Any) -> str:
    """Return what tells the type of an end of a topic from others of its name."""
    kind = getattr(end, "topic_type_hash", None)  # Foxy and Humble know the name alone.
    return str(getattr(kind, "value", b"").hex() if kind is not None else end.topic_type)
