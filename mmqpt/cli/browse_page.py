"""What ``mmqpt browse`` writes: the contact sheet of the degradations, and their page."""

from __future__ import annotations

import base64
import html

import cv2
import numpy as np

from mmqpt.degradations import KINDS, LEVELS, DegradationSpace, Operator, Recipe, apply

NAME_WIDTH = 210
HEAD_HEIGHT = 26
LABEL_HEIGHT = 17
GAP = 4
INK = (30, 30, 30)
STYLE = """
body { font: 15px/1.4 system-ui, sans-serif; margin: 1.5rem; background: #fff; color: #222; }
nav { position: sticky; top: 0; background: #fff; padding: .4rem 0; border-bottom: 1px solid #ccc; z-index: 1; }
nav a { margin-right: 1rem; }
h2 { margin: 2rem 0 .5rem; }
.row { display: grid; grid-template-columns: 13rem repeat(5, 1fr); gap: 6px; margin: 6px 0; align-items: start; }
.row small { color: #666; display: block; }
figure { margin: 0; }
img { width: 100%; height: auto; display: block; }
figcaption { font-size: 12px; color: #444; }
.recipes { display: grid; grid-template-columns: repeat(auto-fill, minmax(260px, 1fr)); gap: 14px; }
"""


def shrink(photo: np.ndarray, side: int) -> np.ndarray:
    """Reduce to at most ``side`` px."""
    height, width = photo.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return photo
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(photo, size, interpolation=cv2.INTER_AREA)


def draw_recipes(preset: str, count: int, seed: int) -> list[Recipe]:
    """Recipes of a preset."""
    space, rng = DegradationSpace.preset(preset), np.random.default_rng(seed)
    return [space.draw(rng) for _ in range(count)]


def value_text(row: Operator, level: int, sign: int) -> str:
    """A level's value and unit."""
    return f'{row.value(level, sign):g}' + ('' if row.unit == '1' else f' {row.unit}')


def name_text(row: Operator, sign: int) -> str:
    """An operator's name and direction."""
    return row.name if len(row.signs) == 1 else f'{row.name} {"+" if sign == 1 else "-"}'


def sheet(photo: np.ndarray, rows: list[Operator], tile: int, seed: int) -> np.ndarray:
    """RGB image: the photo and its five levels, one row an operator and direction.

    Tiles show the middle of the photo at full resolution where it is large enough, so that blur and noise can be seen.
    """
    height, width = photo.shape[:2]
    tall = max(1, round(tile * 0.75))
    part = np.s_[max(0, (height - tall) // 2) :, max(0, (width - tile) // 2) :]
    lines = [(row, sign) for kind in KINDS for row in rows if row.kind == kind for sign in row.signs]
    full = (HEAD_HEIGHT + len(lines) * (tall + LABEL_HEIGHT), NAME_WIDTH + (len(LEVELS) + 1) * (tile + GAP), 3)
    out = np.full(full, 255, np.uint8)
    for column, title in enumerate(('photo', *(f'level {level}' for level in LEVELS))):
        draw_text(out, title, NAME_WIDTH + column * (tile + GAP), HEAD_HEIGHT - 8)
    for number, (row, sign) in enumerate(lines):
        top = HEAD_HEIGHT + number * (tall + LABEL_HEIGHT)
        draw_text(out, name_text(row, sign), 6, top + 18)
        draw_text(out, row.kind, 6, top + 36, (130, 130, 130))
        for column, image in enumerate([photo, *(row(photo, level, sign, seed) for level in LEVELS)]):
            shown = image[part][:tall, :tile]
            left = NAME_WIDTH + column * (tile + GAP)
            out[top : top + shown.shape[0], left : left + shown.shape[1]] = shown
            if column:
                draw_text(out, f'{row.value(column, sign):g}', left, top + tall + LABEL_HEIGHT - 5)
    return out


def draw_text(image: np.ndarray, text: str, x: int, y: int, colour: tuple[int, int, int] = INK) -> None:
    """Draw text into an image."""
    cv2.putText(image, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.45, colour, 1, cv2.LINE_AA)


def page(photo: np.ndarray, title: str, rows: list[Operator], recipes: list[Recipe], preset: str, seed: int) -> str:
    """The HTML page, with all images in it.

    Args:
        photo: RGB.
        title: name of the photo.
        rows: operators to show.
        recipes: drawn from the preset.
        preset: its name.
        seed: of the noise.
    """
    kinds = [kind for kind in KINDS if any(row.kind == kind for row in rows)]
    links = ' '.join(f'<a href="#{kind}">{kind}</a>' for kind in [*kinds, 'recipes'])
    height, width = photo.shape[:2]
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f'<title>Degradations of {html.escape(title)}</title><style>{STYLE}</style></head><body>',
        f'<h1>Degradations of {html.escape(title)}</h1>',
        f'<p>Degraded at {width} x {height} px, seed {seed}. Levels are a design choice of this project.</p>',
        f'<nav>{links}</nav>',
        f'<div class="recipes">{figure(photo, "the photo")}</div>',
    ]
    for kind in kinds:
        parts.append(f'<h2 id="{kind}">{kind}</h2>')
        for row in (row for row in rows if row.kind == kind):
            for sign in row.signs:
                cells = [figure(row(photo, n, sign, seed), f'{n}: {value_text(row, n, sign)}') for n in LEVELS]
                name = f'<div><b>{name_text(row, sign)}</b><small>{html.escape(row.source)}</small></div>'
                parts.append(f'<div class="row">{name}{"".join(cells)}</div>')
    space = DegradationSpace.preset(preset)
    parts.append(f'<h2 id="recipes">Recipes drawn from preset {preset}</h2><p>{html.escape(repr(space))}</p>')
    parts.append('<div class="recipes">')
    parts += [figure(apply(recipe, photo), f'{number}. {recipe}') for number, recipe in enumerate(recipes, 1)]
    return '\n'.join([*parts, '</div></body></html>\n'])


def figure(image: np.ndarray, caption: str) -> str:
    """An image in the page, as good JPEG: light enough to carry hundreds."""
    data = cv2.imencode('.jpg', image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()
    source = f'data:image/jpeg;base64,{base64.b64encode(data).decode()}'
    text = html.escape(caption)
    size = f'width="{image.shape[1]}" height="{image.shape[0]}"'  # so that nothing moves while images load
    return f'<figure><img {size} loading="lazy" alt="{text}" src="{source}"><figcaption>{text}</figcaption></figure>'
