"""What can be set about the car node, and what the drive loop makes of it."""

from __future__ import annotations

from typing import Any, List, Sequence

from rcl_interfaces.msg import ParameterDescriptor
from rclpy.node import Node
from rclpy.parameter import Parameter

from deepracer_car.actuation import ActuationSettings
from deepracer_car.drive_loop import Limits
from deepracer_car.errors import ConfigError
from deepracer_car.ros.node import read_parameters
from deepracer_car.safety import Patience

FIXED = (
    ("output", "topics", "What is driven besides the topics: topics (nothing), beside, replace."),
    ("camera", "image", "What the camera publishes: image, compressed or camera_msg."),
    ("reliable_camera", False, "Let no picture be lost, for simulators that wait for a decision."),
    ("stamped_camera", False, "A picture is as old as its stamp says; else as its arrival."),
    ("log", "", "Folder that drives are written into; empty: none is written."),
    ("armed", False, "Drive at once, without being armed: for simulated cars."),
    ("frame_timeout", 0.2, "The car stands this long after the last good picture, s; 0: never."),
    ("inference_timeout", 0.15, "The car stands if a decision takes longer, s; 0: never."),
    ("heartbeat_timeout", 0.0, "The car stands without a heartbeat for longer, s; 0: never."),
    ("fault_timeout", 1.0, "The car is disarmed if a fault lasts longer, s; 0: never."),
    ("fault_limit", 10, "The car is disarmed after so many bad pictures; 0: never."),
)
"""Set once, when the node starts."""
SETTINGS = (
    ("throttle_scale", "What the throttle is multiplied by, 0 to 1; at 0 it steers and stands."),
    ("max_speed", "A faster decision counts as this one, m/s."),
    ("steering_trim", "Added to the angle, -1 to 1: a car that pulls to the right needs more."),
    ("throttle_slew", "The throttle grows by so much a second at most; 0: as decided."),
    ("steering_slew", "The angle changes by so much a second at most; 0: as decided."),
)
"""Those of `ActuationSettings`; they and the model may be set while the car drives."""


def declare(node: Node) -> None:
    """Declare all parameters."""
    _declare(
        node,
        "model",
        "",
        "Folder of a model bundle: what `deepracer export RUN --to bundle` writes.",
    )
    read_parameters(node, FIXED)
    for name, text in SETTINGS:
        _declare(node, name, getattr(ActuationSettings(), name), text)


def settings_of(node: Node, changed: Sequence[Parameter] = ()) -> ActuationSettings:
    """Return the settings as they are, or as they are to be after a change.

    Raises:
        ConfigError: they cannot be used.
    """
    values = {name: number(node, name) for name, _ in SETTINGS}
    values.update({p.name: _as_number(p) for p in changed if p.name in values})
    return ActuationSettings(**values)


def limits_of(node: Node) -> Limits:
    """Return when something counts as a fault.

    Raises:
        ConfigError: a limit cannot be used.
    """
    return Limits(
        frame_age=number(node, "frame_timeout"),
        inference_time=number(node, "inference_timeout"),
        heartbeat_age=number(node, "heartbeat_timeout"),
        patience=Patience(number(node, "fault_timeout"), value(node, "fault_limit")),
    )


def models(changed: List[Parameter]) -> List[str]:
    """Return the models that are asked for, one or none."""
    return [parameter.value for parameter in changed if parameter.name == "model"]


def value(node: Node, name: str) -> Any:
    """Return the value of a parameter."""
    return node.get_parameter(name).value


def number(node: Node, name: str) -> float:
    """Return the value of a parameter that is a number.

    Raises:
        ConfigError: it is something else.
    """
    return _as_number(node.get_parameter(name))


def _as_number(parameter: Parameter) -> float:
    given = parameter.value
    if isinstance(given, (int, float)) and not isinstance(given, bool):
        return float(given)
    raise ConfigError(f"{parameter.name}: {given!r} given, a number is allowed")


def _declare(node: Node, name: str, default: Any, text: str) -> None:
    descriptor = ParameterDescriptor(description=text)
    if isinstance(default, float) and hasattr(descriptor, "dynamic_typing"):
        descriptor.dynamic_typing = True  # 1 is a number too; older versions do not mind anyway.
    node.declare_parameter(name, default, descriptor)
