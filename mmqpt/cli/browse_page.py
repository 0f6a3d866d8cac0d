"""What ``mmqpt browse`` writes: the contact sheet of the degradations, and their page."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from mmqpt.core.fit import fit_box
from mmqpt.degradations import KINDS, LEVELS, DegradationSpace, Operator, Recipe, apply

NAME_WIDTH = 210
HEAD_HEIGHT = 26
LABEL_HEIGHT = 17
GAP = 4
INK = (30, 30, 30)
GREY = (130, 130, 130)
PAGE_TILE = 186  # px
PAGE_RECIPE = 320  # px
PAGE_BYTES = 5_000_000
QUALITIES = (90, 84, 76, 66, 55)  # of JPEG: the first with which the page is small enough
SHRINK = 0.8  # of the tiles, where none is
STYLE = """
:root { color-scheme: light dark; --page: light-dark(#fff, #16181c); --ink: light-dark(#222, #ddd);
  --quiet: light-dark(#666, #9aa0a8); --line: light-dark(#ddd, #333840); }
* { box-sizing: border-box; }
body { font: 15px/1.4 system-ui, sans-serif; margin: 0 auto; padding: 1rem 1.5rem; max-width: 1500px;
  background: var(--page); color: var(--ink); }
nav { position: sticky; top: 0; background: var(--page); padding: .5rem 0; border-bottom: 1px solid var(--line);
  z-index: 1; }
nav a { margin-right: 1rem; color: inherit; }
h2 { margin: 2rem 0 .5rem; scroll-margin-top: 3rem; }
h2::first-letter { text-transform: uppercase; }
.row { display: grid; grid-template-columns: 15rem 1fr; gap: 14px; padding: 12px 0; border-top: 1px solid var(--line); }
.row p { margin: .2rem 0; font-size: 13px; }
.row small, figcaption { color: var(--quiet); font-size: 12px; }
.tiles { display: grid; grid-template-columns: repeat(5, minmax(0, 1fr)); gap: 6px; align-items: start; }
figure { margin: 0; }
img { max-width: 100%; height: auto; display: block; }
.recipes { display: grid; grid-template-columns: repeat(auto-fill, minmax(240px, 1fr)); gap: 14px; }
@media (max-width: 800px) {
  body { padding: .5rem .75rem; }
  .row { grid-template-columns: minmax(0, 1fr); gap: 6px; }
  .tiles { grid-template-columns: repeat(5, 150px); overflow-x: auto; }
}
"""


@dataclass(frozen=True)
class Tile:
    """A picture of the page.

    Args:
        image: RGB uint8, (H, W, 3).
        caption: stands under it.
    """

    image: np.ndarray
    caption: str


def shrink(photo: np.ndarray, side: int) -> np.ndarray:
    """Reduce to at most ``side`` px."""
    return fit_box(photo, side, side)


def draw_recipes(preset: str, count: int, seed: int) -> list[Recipe]:
    """Recipes of a preset."""
    space, rng = DegradationSpace.preset(preset), np.random.default_rng(seed)
    return [space.draw(rng) for _ in range(count)]


def shows_whole(row: Operator) -> bool:
    """Whether a crop would hide what an operator does.

    It would for warps, for what depends on the place in the photo (a vignette) or on the whole photo, and for what
    shows on parts of it only. Blur, noise and codecs show at full resolution alone.
    """
    return row.footprint is not None or row.scattered or not row.local or (row.framed and not row.seeded)


def tile_of(row: Operator, image: np.ndarray, width: int) -> np.ndarray:
    """What a tile shows: the whole image, reduced, or ``width`` px of its middle; three quarters as high."""
    tall = max(1, round(width * 0.75))
    if shows_whole(row):
        return fit_box(image, width, tall)
    top, left = max(0, (image.shape[0] - tall) // 2), max(0, (image.shape[1] - width) // 2)
    return image[top : top + tall, left : left + width]


def value_text(row: Operator, level: int, sign: int) -> str:
    """A level's value, with its unit where that is short."""
    text = f'{row.value(level, sign):g}'
    return f'{text} {row.unit}' if row.unit != '1' and len(row.unit) <= 8 else text


def name_text(row: Operator, sign: int) -> str:
    """An operator's name and direction."""
    return row.name if len(row.signs) == 1 else f'{row.name} {"+" if sign == 1 else "-"}'


def unit_text(row: Operator) -> str:
    """The parameter and what it is counted in."""
    if row.unit == '1':
        return row.parameter
    return row.unit if row.parameter in row.unit.split() else f'{row.parameter}, {row.unit}'


def sheet(photo: np.ndarray, rows: list[Operator], tile: int, seed: int) -> np.ndarray:
    """RGB image: the photo and its five levels, one row an operator and direction, as in :func:`tile_of`."""
    tall = max(1, round(tile * 0.75))
    lines = [(row, sign) for kind in KINDS for row in rows if row.kind == kind for sign in row.signs]
    full = (HEAD_HEIGHT + len(lines) * (tall + LABEL_HEIGHT), NAME_WIDTH + (len(LEVELS) + 1) * (tile + GAP), 3)
    out = np.full(full, 255, np.uint8)
    for column, title in enumerate(('photo', *(f'level {level}' for level in LEVELS))):
        draw_text(out, title, NAME_WIDTH + column * (tile + GAP), HEAD_HEIGHT - 8)
    for number, (row, sign) in enumerate(lines):
        top = HEAD_HEIGHT + number * (tall + LABEL_HEIGHT)
        draw_text(out, name_text(row, sign), 6, top + 18)
        if tall >= 54:
            draw_text(out, unit_text(row), 6, top + 36, GREY)
            draw_text(out, 'whole photo' if shows_whole(row) else 'middle', 6, top + 54, GREY)
        for column, image in enumerate([photo, *(row(photo, level, sign, seed) for level in LEVELS)]):
            shown = tile_of(row, image, tile)
            left = NAME_WIDTH + column * (tile + GAP)
            out[top : top + shown.shape[0], left : left + shown.shape[1]] = shown
            if column:
                draw_text(out, f'{row.value(column, sign):g}', left, top + shown.shape[0] + LABEL_HEIGHT - 5)
    return out


def draw_text(image: np.ndarray, text: str, x: int, y: int, colour: tuple[int, int, int] = INK) -> None:
    """Draw text into an image."""
    cv2.putText(image, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.45, colour, 1, cv2.LINE_AA)


def page(
    photo: np.ndarray,
    title: str,
    rows: list[Operator],
    recipes: list[Recipe],
    preset: str,
    seed: int,
    limit: int = PAGE_BYTES,
) -> str:
    """The HTML page, with all images in it.

    Args:
        photo: RGB.
        title: name of the photo.
        rows: operators to show.
        recipes: drawn from the preset.
        preset: its name.
        seed: of the noise.
        limit: bytes that the page stays below, by stronger compression of its pictures and then by smaller ones. With
            thousands of recipes even the smallest may exceed it.
    """
    lines = [
        (row, sign, [Tile(row(photo, n, sign, seed), f'{n}: {value_text(row, n, sign)}') for n in LEVELS])
        for kind in KINDS
        for row in rows
        if row.kind == kind
        for sign in row.signs
    ]
    drawn = [Tile(apply(recipe, photo), f'{number}. {recipe}') for number, recipe in enumerate(recipes, 1)]
    scale, text = 1.0, ''
    while scale > SHRINK**8:  # the smallest tiles have a fifth of the width
        tile, large = round(PAGE_TILE * scale), round(PAGE_RECIPE * scale)
        parts = [(r, sign, [Tile(tile_of(r, t.image, tile), t.caption) for t in tiles]) for r, sign, tiles in lines]
        small = [Tile(fit_box(t.image, large, large), t.caption) for t in drawn]
        for quality in QUALITIES:
            draw = _drawer(quality)
            text = _page_text(photo, title, parts, small, preset, seed, draw)
            if len(text) <= limit:
                return text
        scale *= SHRINK
    return text


def _page_text(
    photo: np.ndarray,
    title: str,
    lines: list[tuple[Operator, int, list[Tile]]],
    recipes: list[Tile],
    preset: str,
    seed: int,
    draw: Callable[[Tile], str],
) -> str:
    kinds = list(dict.fromkeys(row.kind for row, _, _ in lines))
    links = ' '.join(f'<a href="#{kind}">{kind}</a>' for kind in [*kinds, *(['recipes'] if recipes else [])])
    height, width = photo.shape[:2]
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f'<title>Degradations of {html.escape(title)}</title><style>{STYLE}</style></head><body>',
        f'<h1>Degradations of {html.escape(title)}</h1>',
        f'<p>Degraded at {width} x {height} px, seed {seed}. Each row is one operator in one direction, at five levels '
        'from mild (1) to harsh (5); the levels are a design choice of this project. Tiles show the middle of the '
        'photo at full resolution, or the whole photo reduced where the row says so.</p>',
        f'<nav>{links}</nav>',
        f'<div class="recipes">{draw(Tile(fit_box(photo, PAGE_RECIPE, PAGE_RECIPE), "the photo"))}</div>',
    ]
    for kind in kinds:
        parts.append(f'<h2 id="{kind}">{kind}</h2>')
        for row, sign, tiles in (line for line in lines if line[0].kind == kind):
            about = [
                f'<b>{name_text(row, sign)}</b>',
                f'<p>{in_html(row.summary)}.</p>' if row.summary else '',
                f'<small>{html.escape(unit_text(row))}{"; whole photo" if shows_whole(row) else ""}'
                f'<br>source: {html.escape(row.source)}</small>',
            ]
            shown = ''.join(map(draw, tiles))
            parts.append(f'<div class="row"><div>{"".join(about)}</div><div class="tiles">{shown}</div></div>')
    if recipes:
        space = DegradationSpace.preset(preset)
        parts.append(f'<h2 id="recipes">Recipes drawn from preset {preset}</h2>')
        parts.append(f'<p>Steps in their order: operator, direction and level. {html.escape(repr(space))}</p>')
        parts += ['<div class="recipes">', *map(draw, recipes), '</div>']
    return '\n'.join([*parts, '</body></html>\n'])


def in_html(markdown: str) -> str:
    """Text with Markdown's code marks."""
    return re.sub(r'`(.*?)`', r'<code>\1</code>', html.escape(markdown))


def _drawer(quality: int) -> Callable[[Tile], str]:
    """What writes a tile as HTML with a JPEG in it."""

    def draw(tile: Tile) -> str:
        data = cv2.imencode('.jpg', tile.image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
        source = f'data:image/jpeg;base64,{base64.b64encode(data).decode()}'
        text = html.escape(tile.caption)
        size = f'width="{tile.image.shape[1]}" height="{tile.image.shape[0]}"'  # nothing moves while images load
        return (
            f'<figure><img {size} loading="lazy" alt="{text}" src="{source}"><figcaption>{text}</figcaption></figure>'
        )

    return draw
