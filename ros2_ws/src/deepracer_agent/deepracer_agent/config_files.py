"""Reading settings strictly: YAML and JSON with no key twice, and errors people can act on."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    Union,
    get_args,
    get_origin,
)

import yaml
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from deepracer_car.errors import ConfigError, did_you_mean

COMMAND_LINE = "command line"

_KINDS: dict[Any, str] = {
    int: "an integer",
    float: "a number",
    bool: "true or false",
    str: "text",
    type(None): "null",
}


def read_yaml(text: str, source: str) -> dict[str, Any]:
    """Parse a YAML mapping; an empty text is an empty mapping.

    Raises:
        ConfigError: the text is no YAML, no mapping, or gives one key twice.
    """
    try:
        content = yaml.load(text, Loader=_StrictLoader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"{source}: is not valid YAML: {_reason(error)}") from None
    if content is None:
        return {}
    return _mapping(content, source)


def write_yaml(content: dict[str, Any]) -> str:
    """Return the YAML text that ``read_yaml`` reads back equal, keys in their order."""
    text = yaml.dump(content, Dumper=_StrictDumper, sort_keys=False, allow_unicode=True)
    return str(text)


def read_json(text: str, source: str) -> dict[str, Any]:
    """Parse a JSON object.

    Raises:
        ConfigError: the text is no JSON, no object, or gives one key twice.
    """
    try:
        return _mapping(json.loads(text, object_pairs_hook=_unique_pairs), source)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{source}: is not valid JSON: {error}") from None


def read_value(text: str) -> Any:
    """Read one value as a YAML file would: numbers, true, false, null, lists; all else is text."""
    try:
        return yaml.load(text, Loader=_StrictLoader)
    except yaml.YAMLError:
        return text


def read_assignments(texts: Iterable[str]) -> dict[str, Any]:
    """Read settings given as KEY=VALUE, by dotted key.

    Raises:
        ConfigError: one has no key or no equals sign.
    """
    values = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise ConfigError(f"'{text}' given, KEY=VALUE is allowed")
        values[key.strip()] = read_value(value)
    return values


def read_text(path: Path) -> str:
    """Read a text file.

    Raises:
        ConfigError: it cannot be read, or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text: {error.reason}") from None


def explain(
    error: ValidationError, model: type[BaseModel], source_of: Callable[[str], str]
) -> ConfigError:
    """Turn what pydantic found into lines of: where, what was given, what is allowed.

    Args:
        error: raised by ``model``.
        model: the schema.
        source_of: names the file or option that gave a dotted key.
    """
    lines = {}
    for item in error.errors(include_url=False):
        keys = _keys(model, item["loc"])
        key = ".".join(keys)
        lines[key] = f"{source_of(key)}: {_line(model, keys, item)}"
    return ConfigError("\n".join(lines.values()))


def describe(field: FieldInfo) -> str:
    """Say in words what a setting may be: its kind and its range."""
    return _with_limits(_kind(field.annotation), field.metadata)


def block_in(field: FieldInfo) -> type[BaseModel] | None:
    """Return the schema of a setting that is a block of settings; None if it is a value."""
    kinds = (field.annotation, *get_args(field.annotation))
    return next((k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel)), None)


def overridden(settings: dict[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``settings`` with the values of ``overrides``, given by dotted key, put into them."""
    settings = dict(settings)
    for key, value in overrides.items():
        name, _, rest = key.partition(".")
        if rest:
            inner = settings.get(name)
            value = overridden(inner if isinstance(inner, dict) else {}, {rest: value})
        settings[name] = value
    return settings


def source_of(file: str, overrides: Mapping[str, Any]) -> Callable[[str], str]:
    """Return what names the origin of a dotted key: the command line, or else ``file``."""

    def source(key: str) -> str:
        from_user = any(f"{o}.".startswith(f"{key}.") or key.startswith(f"{o}.") for o in overrides)
        return COMMAND_LINE if from_user else file

    return source


class _StrictLoader(yaml.SafeLoader):
    """YAML that refuses a key given twice and takes 1e-3 for a number, as people do."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key_node, _ in node.value:
            key = str(key_node.value)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    problem=f"the key '{key}' is given twice", problem_mark=key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


class _StrictDumper(yaml.SafeDumper):
    """Quotes what the loader above would take for a number."""


for _kind_of_file in (_StrictLoader, _StrictDumper):
    _kind_of_file.add_implicit_resolver(
        "tag:yaml.org,2002:float",
        re.compile(r"^[-+]?\d+(\.\d*)?[eE][-+]?\d+$"),
        list("-+0123456789"),
    )


def _reason(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    return f"{place}{getattr(error, 'problem', None) or error}"


def _unique_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for key, value in pairs:
        if key in content:
            raise ValueError(f"the key '{key}' is given twice")
        content[key] = value
    return content


def _mapping(content: Any, source: str) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise ConfigError(f"{source}: {type(content).__name__} given, keys with values are allowed")
    for key in content:
        if not isinstance(key, str):
            raise ConfigError(f"{source}: the key {key!r} is not text")
    return content


def _kind(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _with_limits(_kind(arguments[0]), arguments[1:])
    if origin in (Union, UnionType):
        return " or ".join(map(_kind, arguments))
    if origin is Literal:
        return " or ".join(map(str, arguments))
    return _KINDS.get(annotation, "a block of keys")


def _with_limits(kind: str, metadata: Iterable[Any]) -> str:
    limits = [limit for item in metadata for limit in getattr(item, "metadata", [item])]
    words = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
    bounds = {name: getattr(x, name) for x in limits for name in words if hasattr(x, name)}
    if bounds.keys() == {"ge", "le"}:
        told = f"{_plain(bounds['ge'])} to {_plain(bounds['le'])}"
    else:
        told = " and ".join(f"{words[name]} {_plain(bound)}" for name, bound in bounds.items())
    value, null, _ = kind.partition(" or null")
    return (f"{value}, {told}" if told else value) + null


def _plain(bound: float) -> str:
    return f"{bound:g}" if isinstance(bound, float) else str(bound)


def _schema_at(model: type[BaseModel], keys: Sequence[str]) -> type[BaseModel] | None:
    """The block of settings at a dotted key; None where there is a value or nothing."""
    for key in keys:
        if key not in model.model_fields:
            return None
        inner = block_in(model.model_fields[key])
        if inner is None:
            return None
        model = inner
    return model


def _keys(model: type[BaseModel], location: Sequence[int | str]) -> list[str]:
    """Where an error is, without the branch names that pydantic adds inside a union."""
    keys: list[str] = []
    for part in map(str, location):
        if _schema_at(model, keys) is None:
            break
        keys.append(part)
    return keys


def _line(model: type[BaseModel], keys: Sequence[str], item: ErrorDetails) -> str:
    key = ".".join(keys)
    if item["type"] == "missing":
        return f"'{key}' is missing"
    schema = _schema_at(model, keys[:-1]) or model
    if item["type"] == "extra_forbidden":
        allowed = list(schema.model_fields)
        hint = did_you_mean(keys[-1], allowed)
        return f"unknown key '{key}'; allowed are {', '.join(allowed)}.{hint}"
    given = item["input"]
    if item["type"] == "value_error":
        reason = str(item["ctx"]["error"])
        if isinstance(given, (dict, BaseModel)):  # the values are good, but not together
            return f"{key}: {reason}" if key else reason
    else:
        reason = f"{describe(schema.model_fields[keys[-1]])} is allowed" if keys else item["msg"]
    hint = did_you_mean(given, re.findall(r"[\w-]+", reason)) if isinstance(given, str) else ""
    return f"{key}: {given!r} given, {reason}{'.' if hint else ''}{hint}"
