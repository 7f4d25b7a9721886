"""How a drive goes, in the form that rqt and its kind understand."""

from __future__ import annotations

from typing import Any, Dict, Optional

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from deepracer_car.drive_log import DriveLog
from deepracer_car.drive_report import Report
from deepracer_car.safety import State

LEVELS = {State.STOPPED: DiagnosticStatus.WARN, State.LATCHED: DiagnosticStatus.ERROR}
"""Of a state; all others are as they should be."""


def diagnosis(
    report: Report, temperature: Optional[float], camera: str, log: Optional[DriveLog] = None
) -> Any:
    """Return a DiagnosticStatus.

    Args:
        report: how it went.
        temperature: of the computer, degrees Celsius; None: not known.
        camera: topic that the pictures come on.
        log: of the drive, where one is written.
    """
    values: Dict[str, str] = {
        "model": report.model,
        "state": report.state.value,
        "reason": report.reason,
        "frames_per_second": f"{report.frames_per_second:.1f}",
        "skipped_frames": str(report.skipped),
        "faulty_frames": str(report.faults),
    }
    if report.last_fault:
        values["last_fault"] = report.last_fault
    if report.latencies:
        values["latency_ms"] = f"{1e3 * report.latency(0.5):.2f}"
        values["latency_p99_ms"] = f"{1e3 * report.latency(0.99):.2f}"
    if temperature is not None:
        values["temperature_celsius"] = f"{temperature:.1f}"
    if log is not None:
        values["log"] = log.problem or str(log.path)
        values["log_lost"] = str(log.lost)
    status = DiagnosticStatus(hardware_id="deepracer")
    status.level = LEVELS.get(report.state, DiagnosticStatus.OK)
    status.message = f"{report.state.value}: {report.reason}"
    if report.faults:
        status.level = max(status.level, DiagnosticStatus.WARN)
    if not report.frames:
        status.level = max(status.level, DiagnosticStatus.WARN)
        status.message = f"no picture came on topic {camera} ({status.message})"
    status.values = [KeyValue(key=key, value=value) for key, value in values.items()]
    return status
