"""The reference of all settings as Markdown, made from the schema that checks them.

``python -m deepracer_agent.settings_reference > docs/settings.md`` brings the page up to date.
"""

from __future__ import annotations

import sys
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from deepracer_agent.config import TrainingConfig
from deepracer_agent.config_files import block_in, describe
from deepracer_agent.hyperparameters import Hyperparameters

HEAD = """# Settings

<!-- Made by `python -m deepracer_agent.settings_reference`; edit the descriptions in the code. -->

A training folder holds up to four files, each optional: `reward_function.py`,
`model_metadata.json`, `hyperparameters.json` and `training.yaml`. This page lists the keys of the
last two. Unknown keys and values out of range are refused. On the command line,
`--set KEY=VALUE` overrides any of them, as in `--set learning.gae_lambda=0.9`; the most used have
a flag of their own, see `deepracer train --help`.
"""


def reference() -> str:
    """Return the page."""
    parts = [HEAD, "## hyperparameters.json\n", _table(Hyperparameters)]
    parts += ["## training.yaml\n", _table(TrainingConfig)]
    for name, field in TrainingConfig.model_fields.items():
        block = block_in(field)
        if block is not None and block is not Hyperparameters:
            parts += [f"### {name}\n", f"{field.description}\n", _table(block)]
            parts += _inner_blocks(name, block)
    return "\n".join(parts)


def _inner_blocks(prefix: str, model: type[BaseModel]) -> list[str]:
    parts = []
    for name, field in model.model_fields.items():
        block = block_in(field)
        if block is not None:
            parts += [f"### {prefix}.{name}\n", f"{field.description}\n", _table(block)]
    return parts


def _table(model: type[BaseModel]) -> str:
    rows = ["| key | allowed | default | meaning |", "|---|---|---|---|"]
    rows += [
        f"| `{name}` | {_allowed(field)} | {_default(field)} | {field.description} |"
        for name, field in model.model_fields.items()
    ]
    return "\n".join(rows) + "\n"


def _allowed(field: FieldInfo) -> str:
    block = block_in(field)
    if block is Hyperparameters:
        return "see above"
    return "see below" if block is not None else describe(field)


def _default(field: FieldInfo) -> str:
    default: Any = field.default
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{default}`" if isinstance(default, (int, float, str)) else "–"


if __name__ == "__main__":
    sys.stdout.write(reference())
