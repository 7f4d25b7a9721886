"""The Python packages a car needs, as wheels that it can install without an internet."""

from __future__ import annotations

import base64
import hashlib
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import deepracer_car
from deepracer_car.errors import ConfigError, did_you_mean

PACKAGE = "deepracer_car"
MACHINES = ("x86_64", "aarch64")
EARLIEST_GLIBC = 5
"""Of the platform tags that count minor versions of glibc 2."""
OLD_PLATFORMS = ("manylinux2014", "manylinux2010", "manylinux1")

# NumPy stays below 2: ROS's own extension modules on these systems are compiled for NumPy 1. The
# lists are complete, and pip takes them as they are: it would judge what depends on the version of
# Python by the Python that runs it, not by the car's.
PINS = {
    "3.8": {
        "coloredlogs": "15.0.1",
        "flatbuffers": "25.12.19",
        "humanfriendly": "10.0",
        "mpmath": "1.3.0",
        "numpy": "1.24.4",
        "onnxruntime": "1.19.2",
        "opencv-python-headless": "4.11.0.86",
        "packaging": "26.2",
        "protobuf": "5.29.6",
        "sympy": "1.13.3",
    },
    "3.10": {
        "coloredlogs": "15.0.1",
        "flatbuffers": "25.12.19",
        "humanfriendly": "10.0",
        "mpmath": "1.3.0",
        "numpy": "1.26.4",
        "onnxruntime": "1.23.2",
        "opencv-python-headless": "4.11.0.86",
        "packaging": "26.3",
        "protobuf": "7.36.2",
        "sympy": "1.14.0",
    },
    "3.12": {
        "flatbuffers": "25.12.19",
        "numpy": "1.26.4",
        "onnxruntime": "1.31.1",
        "opencv-python-headless": "4.11.0.86",
        "packaging": "26.3",
        "protobuf": "7.36.2",
    },
}
"""What is installed on a car, by its Python."""
GLIBC = {"3.8": 31, "3.10": 35, "3.12": 39}
"""Minor version of glibc 2 on the Ubuntu that comes with that Python: 20.04, 22.04, 24.04."""


@dataclass(frozen=True)
class Target:
    """What kind of computer a car carries.

    Attributes:
        python: its version, major and minor.
        machine: as ``uname -m`` says.
    """

    python: str
    machine: str

    def __post_init__(self) -> None:
        if self.python not in PINS:
            raise ConfigError(
                f"Python {self.python} given; there are cars with {', '.join(PINS)}: Ubuntu 20.04 "
                "with Foxy, 22.04 with Humble, 24.04 with Jazzy."
            )
        if self.machine not in MACHINES:
            raise ConfigError(
                f"'{self.machine}' given; there are cars with {' and '.join(MACHINES)}."
                + did_you_mean(self.machine, MACHINES)
            )

    def __str__(self) -> str:
        return f"Python {self.python} on {self.machine}"

    @property
    def platforms(self) -> list[str]:
        """Platform tags of wheels that run there."""
        minors = range(GLIBC[self.python], EARLIEST_GLIBC - 1, -1)
        tags = [f"manylinux_2_{minor}" for minor in minors]
        return [f"{tag}_{self.machine}" for tag in (*tags, *OLD_PLATFORMS)]


def download(target: Target, folder: Path) -> None:
    """Download the wheels of `PINS` for a car into ``folder``.

    Raises:
        ConfigError: pip is missing, or cannot get them.
    """
    words = ["--no-deps", "--only-binary=:all:", "--implementation=cp"]
    words += [f"--python-version={target.python}", f"--dest={folder}"]
    words += [f"--platform={platform}" for platform in target.platforms]
    words += [f"{name}=={version}" for name, version in PINS[target.python].items()]
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    done = subprocess.run([*pip, "download", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        reason = next((line for line in done.stderr.splitlines() if "ERROR" in line), done.stderr)
        raise ConfigError(
            f"pip cannot get the wheels for Python {target.python} on {target.machine}: "
            f"{reason.strip()} Is this computer connected? Where the packages come from is set by "
            "pip's own configuration, such as PIP_INDEX_URL or PIP_FIND_LINKS."
        )
    missing = [name for name in PINS[target.python] if not _wheels(folder, name)]
    if missing:
        raise ConfigError(f"pip has brought no wheel of {', '.join(missing)}.")


def write_own_wheel(folder: Path) -> Path:
    """Write the wheel of the car's package as it is installed here; returns its path.

    The same files give the same bytes.
    """
    source = Path(deepracer_car.__file__).parent
    version = deepracer_car.__version__
    information = f"{PACKAGE}-{version}.dist-info"
    files = {
        f"{PACKAGE}/{file.relative_to(source).as_posix()}": file.read_bytes()
        for file in sorted(source.rglob("*.py"))
    }
    files[f"{information}/METADATA"] = (
        f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: {version}\nRequires-Python: >=3.8\n"
    ).encode()
    files[f"{information}/WHEEL"] = (
        b"Wheel-Version: 1.0\nGenerator: deepracer\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    record = f"{information}/RECORD"
    lines = [f"{name},{_digest(content)},{len(content)}\n" for name, content in files.items()]
    files[record] = "".join([*lines, f"{record},,\n"]).encode()
    wheel = folder / f"{PACKAGE}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content)
    return wheel


def _wheels(folder: Path, name: str) -> list[Path]:
    return list(folder.glob(f"{name.replace('-', '_')}-*.whl"))


def _digest(content: bytes) -> str:
    raw = base64.urlsafe_b64encode(hashlib.sha256(content).digest())
    return f"sha256={raw.decode().rstrip('=')}"
