"""What is carried to a car: a folder that installs itself there without an internet."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Literal

from deepracer_agent.car_wheels import Target, download, write_own_wheel
from deepracer_car.errors import ConfigError
from deepracer_car.model_bundle import METADATA, POLICY, PROVENANCE, ModelBundle, checksum

ON_CAR = Path(__file__).parent / "on_car"
"""Scripts, units and settings, as they lie in every such folder."""
SUMS = "SHA256SUMS"
"""Written last: without it nothing installs."""

Output = Literal["replace", "beside"]


def write_car_bundle(folder: Path, model: ModelBundle, target: Target, output: Output) -> None:
    """Write wheels, model, scripts and units for a car into an empty folder.

    Args:
        folder: is made if it does not exist.
        model: what is to drive.
        target: the car's computer.
        output: whether the car's own software runs on beside the driver, or is replaced.

    Raises:
        ConfigError: the folder holds something, cannot be written, or the wheels cannot be had.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder} is not an empty folder. Name a new one, or empty it.")
    try:
        _write_files(folder, model, target, output)
    except OSError as error:
        raise ConfigError(f"{folder} cannot be written: {error.strerror}") from None


def _write_files(folder: Path, model: ModelBundle, target: Target, output: Output) -> None:
    wheels, copied = folder / "wheels", folder / "model"
    for made in (wheels, copied):
        made.mkdir(parents=True)
    download(target, wheels)
    write_own_wheel(wheels)
    for name in (POLICY, METADATA, PROVENANCE):
        shutil.copyfile(model.path / name, copied / name)
    for file in sorted(ON_CAR.iterdir()):
        shutil.copyfile(file, folder / file.name)
    (folder / "target").write_text(
        f"PYTHON={target.python}\nMACHINE={target.machine}\nOUTPUT={output}\n", encoding="utf-8"
    )
    (folder / "deployed.yaml").write_text(
        "# Written by 'deepracer car deploy'; what is yours is in /etc/deepracer_car.\n"
        "car_node:\n"
        "  ros__parameters:\n"
        "    model: /opt/deepracer_car/model\n"
        "    camera: camera_msg\n"
        f"    output: {output}\n",
        encoding="utf-8",
    )
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    lines = [f"{checksum(file)}  {file.relative_to(folder).as_posix()}\n" for file in files]
    (folder / SUMS).write_text("".join(lines), encoding="utf-8")
