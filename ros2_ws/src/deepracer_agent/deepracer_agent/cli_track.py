"""``deepracer track``: list, show, import and generate tracks; make their Gazebo worlds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from deepracer_agent.cli_output import AsJson, print_json, print_table, say

if TYPE_CHECKING:
    from deepracer_sim.track import Track

app = typer.Typer(
    help="List, show, import and generate tracks; make their Gazebo worlds.", no_args_is_help=True
)

Name = Annotated[str | None, typer.Option(help="What to call it; by default the name of the file.")]
Named = Annotated[str, typer.Argument(help="Name of a track, or path of a track file.")]
Direction = Annotated[
    Literal["cw", "ccw"] | None,
    typer.Option(help="Which way it is driven; by default as it was drawn."),
]
Force = Annotated[bool, typer.Option("--force", help="Replace a track of that name.")]


@app.command("list", epilog="Example: deepracer track list --json")
def list_all(as_json: AsJson = False) -> None:
    """List the built-in tracks and those in the folder 'tracks'."""
    from deepracer_sim.track_library import list_tracks

    tracks = list_tracks()
    if as_json:
        print_json(
            [
                {
                    "name": t.name,
                    "title": t.title,
                    "source": t.source,
                    "length": round(t.length, 3),
                    "width": round(t.width, 3),
                    "direction": t.direction,
                    "path": str(t.path),
                    "error": t.error,
                }
                for t in tracks
            ]
        )
        return
    print_table(
        ["name", ">length", ">width", "direction", "title", "source"],
        [
            (t.name, "–", "–", "–", f"cannot be used: {t.error}", t.source)
            if t.error
            else (t.name, f"{t.length:.2f} m", f"{t.width:.2f} m", t.direction, t.title, t.source)
            for t in tracks
        ],
    )


@app.command(epilog="Example: deepracer track show reinvent_base --output track.png")
def show(
    track: Named,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="PNG to write; by default <name>.png here."),
    ] = None,
    direction: Direction = None,
) -> None:
    """Draw a track from above, with numbered waypoints, as a PNG."""
    from deepracer_agent.runs import reported
    from deepracer_sim.top_view import save_png, top_view
    from deepracer_sim.track_library import load_track

    road = load_track(track).driven(direction)
    target = output or Path(f"{road.name}.png")
    with reported("write", target):
        save_png(top_view(road), target)
    say(_describe(road))
    say(f"drawn in {target}")


@app.command("import", epilog="Example: deepracer track import ~/Downloads/Spain_track.npy")
def import_file(
    file: Annotated[Path, typer.Argument(help="Community track: a .npy array of N rows of 6.")],
    name: Name = None,
    force: Force = False,
) -> None:
    """Check a community track and copy it into the folder 'tracks'."""
    from deepracer_sim.track_library import import_track, read_track

    path = import_track(file, name, force=force)
    say(_describe(read_track(path)))
    say(f"imported as {path.stem} ({path})")


@app.command(epilog="Example: deepracer track generate --seed 7 --length 25")
def generate(
    seed: Annotated[
        int | None, typer.Option(help="The same seed gives the same track; default: random.")
    ] = None,
    length: Annotated[float, typer.Option(help="Length of the centre line, m.")] = 20.0,
    width: Annotated[float, typer.Option(help="Width of the road, m.")] = 0.76,
    name: Annotated[
        str | None, typer.Option(help="What to call it; by default generated_<seed>.")
    ] = None,
    force: Force = False,
) -> None:
    """Make a random closed track and put it into the folder 'tracks'."""
    import secrets

    from deepracer_sim.track_generator import generate_layout
    from deepracer_sim.track_library import read_track, save_layout

    seed = secrets.randbelow(1_000_000) if seed is None else seed
    path = save_layout(
        generate_layout(seed, length, width), name or f"generated_{seed}", force=force
    )
    say(_describe(read_track(path)))
    say(f"saved as {path.stem} ({path}); deepracer track show {path.stem} draws it")


@app.command(epilog="Example: deepracer track world reinvent_base --boxes 3")
def world(
    track: Named,
    out: Annotated[Path, typer.Option(help="Folder for the world.")] = Path("worlds"),
    direction: Direction = None,
    boxes: Annotated[int, typer.Option(help="Boxes on the road, in both lanes in turn.")] = 0,
    box: Annotated[
        list[str] | None,
        typer.Option(help="Box at a fraction of the lap and a lane: 0.25,inner. Repeatable."),
    ] = None,
    bots: Annotated[int, typer.Option(help="Standing cars on the road, likewise.")] = 0,
    bot: Annotated[
        list[str] | None, typer.Option(help="Standing car at a place, as --box. Repeatable.")
    ] = None,
    rtf: Annotated[
        float | None,
        typer.Option(help="Simulated seconds per second; 0: as many as possible; by default 1."),
    ] = None,
    print_path: Annotated[
        bool, typer.Option("--print-path", help="Print the path of the world and nothing else.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a world of that name that differs.")
    ] = False,
) -> None:
    """Make a track's Gazebo world: an SDF file and the picture of its ground."""
    from deepracer_sim.placement import Place
    from deepracer_sim.track_library import load_track
    from deepracer_sim.world_sdf import write_world

    path = write_world(
        load_track(track).driven(direction),
        out,
        rtf=rtf,
        boxes=[Place.parse(text) for text in box] if box else boxes,
        bots=[Place.parse(text) for text in bot] if bot else bots,
        force=force,
    )
    say(str(path) if print_path else f"world in {path}\nGazebo shows it with: gz sim -r {path}")


def _describe(track: Track) -> str:
    shape = track.direction if track.closed else "an open road"
    return (
        f"{track.title or track.name}: {track.length:.2f} m long, {track.width:.2f} m wide, "
        f"{shape}, {len(track.center)} waypoints"
    )
