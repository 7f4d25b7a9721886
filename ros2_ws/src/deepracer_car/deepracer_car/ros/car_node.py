"""The node that drives: camera picture in, commands to the car out, within what safety allows."""

from __future__ import annotations

from typing import Any, List

from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import TwistStamped
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.parameter import Parameter
from std_msgs.msg import Empty
from std_srvs.srv import SetBool, Trigger

from deepracer_car.actuation import Actuator, Actuators
from deepracer_car.board import notify, temperature
from deepracer_car.decision import Decision, Model
from deepracer_car.drive_log import DriveLog
from deepracer_car.drive_loop import DriveLoop
from deepracer_car.errors import ConfigError
from deepracer_car.model_switch import ModelSwitch
from deepracer_car.ros import car_parameters, topics
from deepracer_car.ros.camera_input import CAMERAS, age_of, camera_message, image_of, to_observation
from deepracer_car.ros.car_parameters import value
from deepracer_car.ros.diagnosis import diagnosis
from deepracer_car.ros.node import spin
from deepracer_car.ros.topic_output import TopicOutput
from deepracer_car.safety import CUTTING, FAULTS, Event, State

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
        car_parameters.declare(self)
        camera = value(self, "camera")
        kind = camera_message(camera)
        model = Model.open(value(self, "model"))
        self._servo_output: Any = None
        qos = topics.every_message()
        self._decisions = self.create_publisher(TwistStamped, topics.DECISION, qos)
        self._diagnostics = self.create_publisher(DiagnosticArray, topics.DIAGNOSTICS, qos)
        folder = value(self, "log")
        self._drive_log = DriveLog(folder) if folder else None
        self._loop = DriveLoop(
            model,
            self._actuator(),
            self._read,
            settings=car_parameters.settings_of(self),
            limits=car_parameters.limits_of(self),
            told=self._decided,
        )
        self._switch = ModelSwitch(self._loop, value(self, "model"))
        self.add_on_set_parameters_callback(self._set)
        self.create_service(SetBool, "~/arm", self._arm)
        self.create_service(Trigger, "~/estop", self._emergency_stop)
        self.create_service(Trigger, "~/reset", self._reset)
        self.create_subscription(Empty, topics.HEARTBEAT, lambda beat: self._loop.beat(), qos)
        reliable, self._stamped = value(self, "reliable_camera"), value(self, "stamped_camera")
        newest = topics.every_message(depth=1) if reliable else topics.newest_only()
        self._camera = self.create_subscription(kind, CAMERAS[camera], self._see, newest)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(TELL_SECONDS, self._tell, clock=steady)
        self.create_timer(REPORT_SECONDS, self._report, clock=steady)
        self._loop.start()
        if value(self, "armed"):
            self._loop.arm()
        self.get_logger().info(f"{model.name} drives: {value(self, 'model')}")
        notify("READY=1")

    def destroy_node(self) -> None:
        """Stop the car, then go."""
        notify("STOPPING=1")
        self._loop.close()
        if self._drive_log is not None:
            self._note_changes()
            self._drive_log.close()
        super().destroy_node()

    def _actuator(self) -> Actuator:
        output = value(self, "output")
        if output == "topics":
            return TopicOutput(self)
        from deepracer_car.ros.servo_output import open_servo_output

        self._servo_output = open_servo_output(self, output)
        return Actuators(TopicOutput(self), self._servo_output)

    def _read(self, message: Any) -> Any:
        if self._servo_output is not None:
            self._servo_output.picture_stamp = image_of(message).header.stamp
        return to_observation(message)

    def _see(self, message: Any) -> None:
        self._loop.see(message, age_of(message, self.get_clock()) if self._stamped else 0.0)

    def _decided(self, decision: Decision) -> None:
        if self._drive_log is not None:
            self._drive_log.record(decision)
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
            if response.success and not self._loop.settings.throttle_scale:
                self.get_logger().warning("throttle_scale is 0: a physical car steers and stands")
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
            settings = car_parameters.settings_of(self, changed)
            for path in car_parameters.models(changed):
                self._switch.request(path)
            self._loop.settings = settings
        except ConfigError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _tell(self) -> None:
        """Tell what happened since the last time, ten times a second."""
        if self._loop.is_running:
            notify("WATCHDOG=1")
        self._note_changes()
        while self._switch.ended:
            path, refusal = self._switch.ended.popleft()
            if refusal is None:
                self.get_logger().info(f"{self._loop.model.name} drives: {path}")
            else:
                self.get_logger().error(f"{path} is refused, the old model drives on: {refusal}")
                self.set_parameters([Parameter("model", value=self._switch.path)])

    def _note_changes(self) -> None:
        while self._loop.changes:
            change = self._loop.changes.popleft()
            words = f"{change.state.value}: {change.reason}"
            if change.event in FAULTS:
                self.get_logger().warning(words)
            elif change.event in CUTTING - {Event.SHUTDOWN}:
                self.get_logger().error(words)
            else:
                self.get_logger().info(words)
            if self._drive_log is not None:
                self._drive_log.note(change)

    def _report(self) -> None:
        """Tell how the driving goes, once a second."""
        status = diagnosis(
            self._loop.report(), temperature(), self._camera.topic_name, self._drive_log
        )
        status.name = self.get_fully_qualified_name()
        report = DiagnosticArray(status=[status])
        report.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(report)


def main() -> int:
    """Run the node until it is told to stop."""
    return spin(CarNode)


if __name__ == "__main__":
    raise SystemExit(main())
