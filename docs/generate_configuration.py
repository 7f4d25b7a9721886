"""Write ``docs/configuration.md`` from the schema behind ``training.yaml`` and the command line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import typer.main
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from deepracer_agent.cli import app
from deepracer_agent.cli_train import FLAGS
from deepracer_agent.config import TrainingConfig
from deepracer_agent.config_files import describe
from deepracer_agent.config_sections import TargetConfig
from deepracer_agent.hyperparameters import Hyperparameters
from deepracer_car.model_metadata import (
    CAMERA_CHANNELS,
    LIDAR_SENSORS,
    NEURAL_NETWORKS,
    SIMULATED_SENSORS,
)

TARGET = Path(__file__).with_name("configuration.md")
FILES = {"hyperparameters": "hyperparameters.json", "model_metadata": "model_metadata.json"}

HEAD = """\
# Configuration

*Made by `docs/generate_configuration.py` from the code; do not edit.*

What is trained is said in one folder, in up to four files. Each is optional. A key that is not
known, given twice or out of range is refused, with the file and the key named. Flags of `deepracer
train` go before the files, and `--set KEY=VALUE` reaches every key of `training.yaml` by its dotted
name, such as `--set learning.gae_lambda=0.9`. A run keeps all of it, defaults included, in its
`config.yaml`.

| file | holds |
|---|---|
| `reward_function.py` | [`reward_function(params)`](reward-reference.md) |
| `model_metadata.json` | [action space, sensor, network](#model_metadatajson) |
| `hyperparameters.json` | [how it learns](#hyperparametersjson), by DeepRacer's own names |
| `training.yaml` | [everything else](#trainingyaml) |
"""

TRAINING = """\
## training.yaml

Durations are seconds, or text such as `90 s`, `10 min`, `1 h 30 min`. A track file is named as seen
from the folder that holds `training.yaml`. Without `hyperparameters.json` or `model_metadata.json`
their content may stand here, under `hyperparameters` and `model_metadata`.
"""

HYPERPARAMETERS = """\
## hyperparameters.json

Limits are those of the DeepRacer console. Every key does what it says or is refused.
"""

METADATA = """\
## model_metadata.json

| key | may be | default |
|---|---|---|
| `action_space` | one of the three forms below | needed; without the file {actions} actions |
| `action_space_type` | `discrete` or `continuous`, as `action_space` is | what it is |
| `sensor` | `["FRONT_FACING_CAMERA"]`, or `["observation"]`, its name of 2018 | `["observation"]` |
| `neural_network` | {networks} | none |
| `training_algorithm` | `clipped_ppo` | `clipped_ppo` |
| `version` | `"1"` to `"6"` | `"2"`, or `"1"` without `sensor` |
| `lidar_config` | dropped where no lidar is among the sensors | as on the car |

`DEEP_CONVOLUTIONAL_NETWORK_SHALLOW` chooses the preset `deepracer` and `fast` the preset `fast`,
unless `training.yaml` names a network; with the other two, `training.yaml` must name one. The
sensors {sensors}
and the algorithm `sac` can be exported, and are refused for training.

`action_space` as a list of 2 to 30 actions. The policy names one by its position; `index` is for
people:

```json
[{{"steering_angle": -30, "speed": 1.0}}, {{"steering_angle": 30, "speed": 1.0, "index": 1}}]
```

as the console's form, which makes such a list (angles: 3, 5 or 7; speeds: 1, 2 or 3):

```json
{{"max_steering_angle": 30, "steering_granularity": 5, "max_speed": 2, "speed_granularity": 2}}
```

or as ranges, for a continuous space:

```json
{{"steering_angle": {{"low": -30, "high": 30}}, "speed": {{"low": 1.0, "high": 2.0}}}}
```

Steering angles are degrees, -30 to 30, positive to the left; speeds are m/s, 0.1 to 4.
"""


def page() -> str:
    """Return the text of ``configuration.md``."""
    fields = TrainingConfig.model_fields
    blocks = {
        name: field.default
        for name, field in fields.items()
        if isinstance(field.default, BaseModel)
    }
    plain = {name: field for name, field in fields.items() if name not in (*blocks, *FILES)}
    parts = [HEAD, TRAINING + "\n" + _settings(plain.items())]
    for name, block in blocks.items():
        if name not in FILES:
            parts.append(f"### {name}\n\n{block.__doc__}\n\n{_block(name, block)}")
    target = ((f"target.{n}", f) for n, f in TargetConfig.model_fields.items())
    parts.append(f"### stop.target\n\n{TargetConfig.__doc__}\n\n{_settings(target, 'stop.')}")
    parts.append(f"{HYPERPARAMETERS}\n{_settings(Hyperparameters.model_fields.items())}")
    parts += [_metadata(), f"## Flags of deepracer train\n\n{_flags()}"]
    return "\n".join(parts)


def _block(name: str, block: BaseModel) -> str:
    fields = ((key, field) for key, field in type(block).model_fields.items() if key != "target")
    return _settings(fields, f"{name}.", block)


def _settings(
    fields: Iterable[tuple[str, FieldInfo]], prefix: str = "", block: BaseModel | None = None
) -> str:
    """A table; defaults are those of ``block`` if there is one, else those of the fields."""
    return _table(
        ("key", "may be", "default", "meaning"),
        [
            (
                f"`{prefix}{name}`",
                describe(field),
                f"`{json.dumps(to_jsonable_python(getattr(block, name, field.default)))}`",
                field.description or "",
            )
            for name, field in fields
        ],
    )


def _metadata() -> str:
    space = TrainingConfig().model_metadata.to_json()["action_space"]
    return METADATA.format(
        actions=len(space),
        networks=" or ".join(f"`{name}`" for name in NEURAL_NETWORKS),
        sensors=", ".join(
            f"`{name}`"
            for name in (*CAMERA_CHANNELS, *LIDAR_SENSORS)
            if name not in SIMULATED_SENSORS
        ),
    )


def _flags() -> str:
    command = typer.main.get_group(app).commands["train"]
    rows = []
    for parameter in command.params:
        if parameter.param_type_name != "option" or parameter.name == "help":
            continue
        names = " / ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
        rows.append(
            (names, f"`{FLAGS[parameter.name]}`" if parameter.name in FLAGS else "", parameter.help)
        )
    return _table(("flag", "sets", "meaning"), rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(
        "| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |\n" for line in lines
    )


if __name__ == "__main__":
    TARGET.write_text(page(), encoding="utf-8")
