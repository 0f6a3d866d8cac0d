"""``mmqpt map``."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mmqpt.cli.scoring import open_scorer
from mmqpt.core.errors import InputError

if TYPE_CHECKING:
    from mmqpt.metric.quality_map import QualityMap

_INCHES = 7.0  # long side of the photo on the page


@click.command('map', short_help='Show where in a photo the quality is low.')
@click.argument('photo')
@click.option('--out', metavar='FILE.png', help='File to write; PHOTO with -map.png at its end by default.')
@click.option('--patch', type=int, metavar='PX', help='Side of the square patches.')
@click.option('--stride', type=int, metavar='PX', help='From one patch to the next, at most; a quarter of --patch.')
@click.option('--weights', metavar='NAME|FILE', help="Name or file of the weights; 'qpt' by default.")
@click.option('--device', help="'cpu', 'cuda', 'cuda:1'...; a GPU by default where there is one.")
def map_command(
    photo: str, out: str | None, patch: int | None, stride: int | None, weights: str | None, device: str | None
) -> None:
    """Draw the local quality of a photo over it: red is worse, blue is better than the rest of the photo.

    Patches are scored by themselves. Their scores tell the places of one photo apart and are not on the scale of scores
    of whole photos.

    \b
    Example:
        mmqpt map photo.jpg --out map.png
    """
    from mmqpt.cli.inputs import printable

    if importlib.util.find_spec('matplotlib') is None:
        raise InputError("mmqpt map needs matplotlib: pip install 'mmqpt[report]'")
    if photo.startswith('-') and len(photo) == 1:
        raise InputError('mmqpt map takes one photo, not a list')
    target = out or str(Path(photo).with_suffix('')) + '-map.png'
    if not target.lower().endswith('.png'):
        raise InputError(f'--out must end with .png, got {printable(target)}')
    scorer, _ = open_scorer(weights, device)
    from mmqpt.metric.quality_map import PATCH, quality_map

    patch = PATCH if patch is None else patch
    stride = max(1, patch // 4) if stride is None else stride
    found = quality_map(scorer, photo, patch, stride)
    score = scorer.score(photo)
    draw(found, score, printable(Path(photo).name), target)
    low, high = found.scores.min(), found.scores.max()
    click.echo(f'{printable(target)}: score {score:.3f}, patches {low:.3f} to {high:.3f}')


def draw(found: QualityMap, score: float, name: str, path: str) -> None:
    """Write the photo, and beside it the photo with its map, as a PNG.

    Args:
        found: the map.
        score: of the whole photo.
        name: of the photo, for the title.
        path: of the PNG.
    """
    import matplotlib.style
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    height, width = found.photo.shape[:2]
    scale = _INCHES / max(height, width)
    with matplotlib.style.context(['default', {'text.parse_math': False, 'font.family': 'DejaVu Sans'}]):
        side = max(2.5, width * scale)
        figure = Figure(figsize=(2 * side + 1.2, max(1.5, height * scale) + 1.0), layout='constrained')
        FigureCanvasAgg(figure)
        left, right = figure.subplots(1, 2)
        left.imshow(found.photo)
        right.imshow(found.photo)
        drawn = right.imshow(found.per_pixel(), cmap='RdYlBu', alpha=0.55)
        for axes in (left, right):
            axes.set_axis_off()
        left.set_title(f'score {score:.3f}', fontsize=11)
        rows, columns = found.scores.shape
        right.set_title(f'{rows} x {columns} patches of {found.patch[1]} x {found.patch[0]} px', fontsize=11)
        figure.colorbar(drawn, ax=right, shrink=0.9, label='score of the patch alone, higher is better')
        title = name if len(name) <= 80 else f'{name[:40]}…{name[-39:]}'
        figure.suptitle(title, fontsize=12, fontweight='bold')
        figure.savefig(path, dpi=100, format='png', facecolor='white')
