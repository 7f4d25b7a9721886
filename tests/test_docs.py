"""What README and docs say is true: links, commands, examples, tables."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
import typer.main

from deepracer_agent.cli import app
from deepracer_car.model_metadata import ModelMetadata
from deepracer_sim.track_library import list_tracks, load_track

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
SHELL = ("bash", "console", "sh")


def blocks(page: Path, *languages: str) -> Iterator[tuple[str, str]]:
    """Mark (the comment in the line before, if any) and text of the fenced blocks of a page."""
    fence = re.compile(r"(?:^<!-- (\w+) -->\n)?^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    for mark, language, text in fence.findall(page.read_text(encoding="utf-8")):
        if language in languages:
            yield mark, text


def marked(page: str, mark: str, language: str) -> list[str]:
    return [text for found, text in blocks(ROOT / page, language) if found == mark]


def commands() -> list[str]:
    """Every command line that the pages show; comments and prompts taken away."""
    lines = [
        line.removeprefix("$ ").strip()
        for page in PAGES
        for _, text in blocks(page, *SHELL)
        for line in text.splitlines()
    ]
    return sorted({line for line in lines if line and not line.startswith("#")})


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    prose = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if re.match(r"https?://", target):
            continue
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


@pytest.mark.parametrize("line", [c for c in commands() if c.startswith("deepracer ")])
def test_a_command_is_understood(line: str) -> None:
    name, *arguments = shlex.split(line)
    command = typer.main.get_command(app)
    while hasattr(command, "commands"):
        name, *arguments = arguments
        assert name in command.commands, line
        command = command.commands[name]
    command.make_context(name, arguments)  # raises where an option or value is not known
    for argument in arguments:
        assert not argument.startswith("examples/") or (ROOT / argument).exists(), argument


def test_make_targets_exist() -> None:
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    shown = [shlex.split(line) for line in commands() if line.startswith("make ")]
    assert shown
    for _, target, *_ in shown:
        assert target in targets


def test_the_settings_are_up_to_date() -> None:
    script = ROOT / "docs" / "generate_configuration.py"
    spec = spec_from_file_location("generate_configuration", script)
    assert spec is not None
    assert spec.loader is not None
    generator = module_from_spec(spec)
    spec.loader.exec_module(generator)
    assert generator.TARGET.read_text() == generator.page(), f"run: python {script}"


def test_the_table_of_tracks_is_up_to_date(tmp_path: Path) -> None:
    page, tracks = (ROOT / "docs" / "tracks.md").read_text(), list_tracks(tmp_path)
    rows = [
        f"| `{t.name}` | {t.length:.2f} m | {t.width:.2f} m | {t.direction} | {t.title} |\n"
        for t in tracks
    ]
    assert "".join(rows) in page
    assert f"{len(tracks)} are built in" in (ROOT / "README.md").read_text()


def test_json_in_the_pages_is_accepted() -> None:
    shown = [json.loads(text) for page in PAGES for _, text in blocks(page, "json")]
    forms = [content for content in shown if "action_space" in content]
    assert forms
    for content in forms:
        ModelMetadata.from_json(content)


def test_the_track_of_the_page_can_be_driven(tmp_path: Path) -> None:
    (text,) = marked("docs/tracks.md", "track", "yaml")
    (tmp_path / "little_oval.yaml").write_text(text)
    track = load_track(tmp_path / "little_oval.yaml")
    assert len(track.center) == 81
    assert track.closed


def run(code: str, folder: Path) -> str:
    """Run an example as a user would, in a folder that has ours and with the packages found."""
    sources = sorted(str(path) for path in (ROOT / "ros2_ws" / "src").iterdir())
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sources)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, text=True, capture_output=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_examples_run(tmp_path: Path) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    env_example, training_example = marked("README.md", "run", "python")
    assert "off_track" in run(env_example, tmp_path)

    brief = training_example.replace("5 min", "1 s")
    assert brief != training_example
    assert re.search(r"^\d+\.\d\d s, \w+$", run(brief, tmp_path), re.MULTILINE)

    pytest.importorskip("deepracer.logs", reason="deepracer-utils is not installed")
    (tmp_path / "runs" / "first").symlink_to("from_python")
    (analysis,) = marked("docs/tutorial.md", "run", "python")
    assert "unique_episode" in run(analysis, tmp_path)


def test_the_modules_are_those_that_exist() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    tables = page[page.index("## Modules") : page.index("## Seams")]
    for name, part in re.findall(r"^\*\*(\w+)\*\*(.*?)(?=^\*\*|\Z)", tables, re.M | re.S):
        folder = ROOT / "ros2_ws" / "src" / name / name
        files = [file for file in folder.rglob("*.py") if not file.name.startswith("__")]
        modules = {str(file.relative_to(folder).with_suffix("")) for file in files}
        assert modules
        words = [word for row in re.findall(r"^\|([^|]*)\|", part, re.M) for word in row.split("`")]
        shown = [f"reward{word}" if word.startswith("_") else word for word in words]
        for module in modules:
            assert any(fnmatch(module, word) for word in shown), f"{name}: {module}"
        for word in (word for word in shown if re.fullmatch(r"[a-z_0-9/*]{4,}", word)):
            assert word == "module" or any(fnmatch(module, word) for module in modules), word
