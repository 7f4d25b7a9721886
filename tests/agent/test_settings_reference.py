"""The page of settings follows the schema."""

from __future__ import annotations

from pathlib import Path

from deepracer_agent.settings_reference import reference

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"


def test_the_page_is_up_to_date() -> None:
    advice = "run: python -m deepracer_agent.settings_reference > docs/settings.md"
    assert PAGE.read_text() == reference(), advice


def test_every_block_is_in_it() -> None:
    page = reference()
    for heading in ("## hyperparameters.json", "### start", "### stop", "### stop.target"):
        assert f"\n{heading}\n" in page
    assert "| `lr` | a number, 1e-08 to 0.001 | `0.0003` |" in page
    assert "| `time` | a number, more than 0 or null | – |" in page
