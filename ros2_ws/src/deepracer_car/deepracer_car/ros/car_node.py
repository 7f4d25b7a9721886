"""The node that drives: camera picture in, commands to the car out, within what safety allows."""

from __future__ import annotations

from typing import Any, List

from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import TwistStamped
from rcl_interfaces.msg import ParameterDescriptor, SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.time import Time
from std_msgs.msg import Empty
from std_srvs.srv import SetBool, Trigger

from deepracer_car.actuation import ActuationSettings, Actuator, Actuators
from deepracer_car.board import notify, temperature
from deepracer_car.decision import Decision, Model
from deepracer_car.drive_loop import DriveLoop, Limits
from deepracer_car.errors import ConfigError
from deepracer_car.model_switch import ModelSwitch
from deepracer_car.ros import topics
from deepracer_car.ros.camera_input import CAMERAS, camera_message, image_of, to_observation
from deepracer_car.ros.diagnosis import diagnosis
from deepracer_car.ros.node import spin
from deepracer_car.ros.topic_output import TopicOutput
from deepracer_car.safety import CUTTING, FAULTS, Change, Event, Patience, State

PARAMETERS = (
    ("model", "", "Folder of a model bundle: what `deepracer export RUN --to bundle` writes."),
    ("output", "topics", "What is driven besides the topics: topics (nothing), beside, replace."),
    ("camera", "image", "What the camera publishes: image, compressed or camera_msg."),
    ("reliable_camera", False, "Let no picture be lost, for simulators that wait for a decision."),
    ("stamped_camera", False, "A picture is as old as its stamp says; else as its arrival."),
    ("armed", False, "Drive at once, without being armed: for simulated cars."),
    ("frame_timeout", 0.2, "The car stands this long after the last good picture, s; 0: never."),
    ("inference_timeout", 0.15, "The car stands if a decision takes longer, s; 0: never."),
    ("heartbeat_timeout", 0.0, "The car stands without a heartbeat for longer, s; 0: never."),
    ("fault_timeout", 1.0, "The car is disarmed if a fault lasts longer, s; 0: never."),
    ("fault_limit", 10, "The car is disarmed after so many bad pictures in a row; 0: never."),
)
"""Besides those of `ActuationSettings`; all but the model are fixed when the node starts."""
SETTINGS = (
    ("throttle_scale", "What the throttle is multiplied by, 0 to 1; at 0 it steers and stands."),
    ("max_speed", "A faster decision counts as this one, m/s."),
    ("steering_trim", "Added to the angle, -1 to 1: a car that pulls to the right needs more."),
    ("throttle_slew", "The throttle grows by so much a second at most; 0: as decided."),
    ("steering_slew", "The angle changes by so much a second at most; 0: as decided."),
)
TELL_SECONDS = 0.1
REPORT_SECONDS = 1.0


class CarNode(Node):
    """Shows the camera's pictures to a drive loop, and tells people how it goes."""

    def __init__(self) -> None:
        """Load the bundle and look out for pictures.

        Raises:
            ModelError: the bundle cannot be driven with.
            ConfigError: a parameter cannot be used.
        """
        super().__init__("car_node")
        self._declare_parameters()
        camera = self._value("camera")
        kind = camera_message(camera)
        model = Model.open(self._value("model"))
        qos = topics.every_message()
        self._decisions = self.create_publisher(TwistStamped, topics.DECISION, qos)
        self._diagnostics = self.create_publisher(DiagnosticArray, topics.DIAGNOSTICS, qos)
        self._loop = DriveLoop(
            model,
            self._actuator(),
            to_observation,
            settings=self._settings([]),
            limits=self._limits(),
            told=self._decided,
        )
        self._switch = ModelSwitch(self._loop, self._value("model"))
        self.add_on_set_parameters_callback(self._set)
        self.create_service(SetBool, "~/arm", self._arm)
        self.create_service(Trigger, "~/estop", self._emergency_stop)
        self.create_service(Trigger, "~/reset", self._reset)
        self.create_subscription(Empty, topics.HEARTBEAT, lambda beat: self._loop.beat(), qos)
        reliable, self._stamped = self._value("reliable_camera"), self._value("stamped_camera")
        newest = topics.every_message(depth=1) if reliable else topics.newest_only()
        self._camera = self.create_subscription(kind, CAMERAS[camera], self._see, newest)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(TELL_SECONDS, self._tell, clock=steady)
        self.create_timer(REPORT_SECONDS, self._report, clock=steady)
        self._loop.start()
        if self._value("armed"):
            self._loop.arm()
        self.get_logger().info(f"{model.name} drives: {self._value('model')}")
        notify("READY=1")

    def destroy_node(self) -> None:
        """Stop the car, then go."""
        notify("STOPPING=1")
        self._loop.close()
        super().destroy_node()

    def _declare_parameters(self) -> None:
        defaults = ActuationSettings()
        settings = [(name, getattr(defaults, name), text) for name, text in SETTINGS]
        fixed = {name for name, *_ in PARAMETERS} - {"model"}
        for name, default, text in [*PARAMETERS, *settings]:
            descriptor = ParameterDescriptor(description=text, read_only=name in fixed)
            if isinstance(default, float) and hasattr(descriptor, "dynamic_typing"):
                descriptor.dynamic_typing = True  # 1 is a number too; older versions agree anyway.
            self.declare_parameter(name, default, descriptor)

    def _value(self, name: str) -> Any:
        return self.get_parameter(name).value

    def _number(self, name: str) -> float:
        return _as_number(self.get_parameter(name))

    def _settings(self, changed: List[Parameter]) -> ActuationSettings:
        values = {name: self._number(name) for name, _ in SETTINGS}
        values.update({p.name: _as_number(p) for p in changed if p.name in values})
        return ActuationSettings(**values)

    def _limits(self) -> Limits:
        return Limits(
            frame_age=self._number("frame_timeout"),
            inference_time=self._number("inference_timeout"),
            heartbeat_age=self._number("heartbeat_timeout"),
            patience=Patience(self._number("fault_timeout"), self._value("fault_limit")),
        )

    def _actuator(self) -> Actuator:
        output = self._value("output")
        if output == "topics":
            return TopicOutput(self)
        from deepracer_car.ros.servo_output import open_servo_output

        return Actuators(TopicOutput(self), open_servo_output(self, output))

    def _see(self, message: Any) -> None:
        age = 0.0
        if self._stamped:
            made = Time.from_msg(image_of(message).header.stamp, self.get_clock().clock_type)
            age = max((self.get_clock().now() - made).nanoseconds * 1e-9, 0.0)
        self._loop.see(message, age)

    def _decided(self, decision: Decision) -> None:
        answer = decision.answer
        if answer.event is not Event.DECISION:
            return
        told = TwistStamped(header=image_of(decision.frame.picture).header)
        told.header.frame_id = topics.BASE_FRAME
        told.twist.linear.x, told.twist.angular.z = answer.speed, answer.steering_angle
        self._decisions.publish(told)

    def _arm(self, request: Any, response: Any) -> Any:
        if request.data:
            response.success = self._loop.arm()
        else:
            self._loop.disarm()
            response.success = True
        return self._answered(response)

    def _emergency_stop(self, request: Any, response: Any) -> Any:
        self._loop.emergency_stop()
        response.success = True
        return self._answered(response)

    def _reset(self, request: Any, response: Any) -> Any:
        self._loop.reset()
        response.success = self._loop.state is not State.LATCHED
        return self._answered(response)

    def _answered(self, response: Any) -> Any:
        response.message = f"{self._loop.state.value}: {self._loop.reason}"
        return response

    def _set(self, changed: List[Parameter]) -> SetParametersResult:
        try:
            settings = self._settings(changed)
            for path in [p.value for p in changed if p.name == "model"]:
                self._switch.request(path)
            self._loop.settings = settings
        except ConfigError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _tell(self) -> None:
        """Tell what happened since the last time, ten times a second."""
        if self._loop.is_running:
            notify("WATCHDOG=1")
        while self._loop.changes:
            self._log(self._loop.changes.popleft())
        while self._switch.ended:
            path, refusal = self._switch.ended.popleft()
            if refusal is None:
                self.get_logger().info(f"{self._loop.model.name} drives: {path}")
            else:
                self.get_logger().error(f"{path} is refused, the old model drives on: {refusal}")
                self.set_parameters([Parameter("model", value=self._switch.path)])

    def _log(self, change: Change) -> None:
        logger, words = self.get_logger(), f"{change.state.value}: {change.reason}"
        if change.event in FAULTS:
            logger.warning(words)
        elif change.event in CUTTING:
            logger.error(words)
        else:
            logger.info(words)

    def _report(self) -> None:
        """Tell how the driving goes, once a second."""
        status = diagnosis(self._loop.report(), temperature(), self._camera.topic_name)
        status.name = self.get_fully_qualified_name()
        report = DiagnosticArray(status=[status])
        report.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(report)


def _as_number(parameter: Parameter) -> float:
    value = parameter.value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    raise ConfigError(f"{parameter.name}: {value!r} given, a number is allowed")


def main() -> int:
    """Run the node until it is told to stop."""
    return spin(CarNode)


if __name__ == "__main__":
    raise SystemExit(main())
