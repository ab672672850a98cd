"""The picture of the house in ``ARCHITECTURE.md``: rooms, the folders in them, and who imports whom.

``python tests/helpers/floor_plan.py`` draws it anew, from the source.
"""

from __future__ import annotations

from pathlib import Path

import house

ROOT = Path(__file__).parents[2]
PICTURE = ROOT / "docs" / "figures" / "architecture.svg"

PLACES = {
    "cli": (20, 20, 1060, 40, "what is typed: one module for each command"),
    "workflows": (20, 106, 480, 84, "graphs, and the engine that runs them"),
    "training": (515, 106, 315, 84, "of networks"),
    "evaluation": (845, 106, 235, 84, "of registrations"),
    "config": (20, 236, 290, 40, "options: checked once, then read"),
    "environment": (325, 236, 175, 40, "variables"),
    "interfaces": (20, 322, 1060, 84, "stages: one job each, on files"),
    "models": (20, 452, 840, 84, "mathematics, on arrays"),
    "face": (880, 452, 200, 84, "a package's names"),
}
"""Left, top, width and height of each room, and what it is for."""
STYLE = """<style>
  text { fill: #1d2733 }
  .name { font-weight: bold; font-size: 15px }
  .note { fill: #4a5563; font-size: 13px }
  .chip { text-anchor: middle; font-size: 13px }
  .room { fill: #e8eef7; stroke: #34558b }
  .folder { fill: #ffffff; stroke: #9aa5b1 }
  path { fill: none; stroke: #34558b; stroke-width: 1.4 }
</style>
<defs><marker id="end" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">\
<path d="M0 0L8 4L0 8Z" style="fill: #34558b; stroke: none"/></marker></defs>"""


def svg(root: Path = ROOT / "gliomorph") -> str:
    """The picture; an arrow is drawn from a room to those that it imports, unless it follows from others."""
    width, height = 1100, 556
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif">',
        STYLE,
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
    ]
    parts += [_arrow(*pair) for pair in sorted(_reduced(_between_rooms(root)))]
    for room in PLACES:
        parts += _room(room, [name for name in house.folders(root) if name.startswith(f"{room}.")])
    return "\n".join([*parts, "</svg>", ""])


def _between_rooms(root: Path) -> dict[str, set[str]]:
    rooms: dict[str, set[str]] = {room: set() for room in PLACES}
    for name, used in house.arrows(root).items():
        room = name.split(".")[0]
        if room in PLACES:
            rooms[room] |= {each.split(".")[0] for each in used} & PLACES.keys() - {room}
    return rooms


def _reduced(rooms: dict[str, set[str]]) -> set[tuple[str, str]]:
    """Arrows without those that a longer way makes, too."""
    return {
        (room, other)
        for room, used in rooms.items()
        for other in used
        if not any(other in house.reached_from(rooms, step) for step in used - {other})
    }


def _arrow(room: str, other: str) -> str:
    left, top, width, height, _ = PLACES[room]
    there, below, wide, _, _ = PLACES[other]
    if top == below:
        return f'<path d="M{left + width} {top + height // 2}H{there - 2}" marker-end="url(#end)"/>'
    x = (max(left, there) + min(left + width, there + wide)) // 2
    return f'<path d="M{x} {top + height}V{below - 2}" marker-end="url(#end)"/>'


def _room(room: str, folders: list[str]) -> list[str]:
    left, top, width, height, note = PLACES[room]
    names = [name.partition(".")[2] for name in folders if name.count(".") == 1]
    parts = [
        f'<rect class="room" x="{left}" y="{top}" width="{width}" height="{height}" rx="6"/>',
        f'<text x="{left + 14}" y="{top + 25}"><tspan class="name">{room}</tspan>'
        f'<tspan class="note" dx="8">{note}</tspan></text>',
    ]
    each = (width - 20) // max(1, len(names))
    for number, name in enumerate(names):
        x = left + 10 + number * each
        parts.append(
            f'<rect class="folder" x="{x}" y="{top + 40}" width="{each - 6}" height="30" rx="4"/>'
            f'<text class="chip" x="{x + (each - 6) // 2}" y="{top + 60}">{name}</text>'
        )
    return parts


if __name__ == "__main__":
    PICTURE.write_text(svg())
