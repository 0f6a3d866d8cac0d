"""``mmqpt map``."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mmqpt.cli.scoring import scorer_and_facts
from mmqpt.core.errors import InputError, PhotoError
from mmqpt.core.extras import require

if TYPE_CHECKING:
    from mmqpt.metric.quality_map import QualityMap

_INCHES = 7.0  # long side of the photo on the page


@click.command('map', short_help='Show where in a photo the quality is low.')
@click.argument('photo')
@click.option('--out', metavar='FILE.png', help='File to write, replaced if it exists; NAME-map.png here by default.')
@click.option('--patch', type=int, metavar='PX', help='Side of the square patches.')
@click.option('--stride', type=int, metavar='PX', help='From one patch to the next, at most; a quarter of --patch.')
@click.option('--weights', metavar='NAME|FILE', help="Name or file of the weights; 'qpt' by default.")
@click.option('--device', help="'cpu', 'cuda', 'cuda:1'...; a GPU by default where there is one.")
@click.option('--runtime', type=click.Choice(['onnx', 'torch']), help='What computes the scores, as for mmqpt score.')
def map_command(
    photo: str,
    out: str | None,
    patch: int | None,
    stride: int | None,
    weights: str | None,
    device: str | None,
    runtime: str | None,
) -> int:
    """Draw the local quality of a photo over it: red is worse, blue is better than the rest of the photo.

    Patches are scored by themselves. Their scores tell the places of one photo apart and are not on the scale of scores
    of whole photos.

    \b
    Examples:
        mmqpt map photo.jpg
        mmqpt map photo.jpg --out map.png
    """
    from mmqpt.cli.inputs import MAP_SUFFIX, is_map, printable
    from mmqpt.core.files import same_file, target_file

    require('matplotlib', 'report', 'mmqpt map')
    if photo.startswith('-') and len(photo) == 1:
        raise InputError('mmqpt map takes one photo, not a list')
    target = Path(photo).stem + MAP_SUFFIX if out is None else out
    if not target.lower().endswith('.png'):
        raise InputError(f'--out must end with .png, got {printable(target)!r}')
    if same_file(target, photo):
        raise InputError(f'{"this map" if out is None else "--out"} would replace the photo {printable(photo)}')
    if os.path.isfile(target) and out is None and not is_map(target):
        raise InputError(f'{printable(target)} exists and is not a map; give --out')
    target_file(target)
    scorer, _ = scorer_and_facts(weights, device, runtime)
    from mmqpt.metric.quality_map import PATCH, quality_map

    patch = PATCH if patch is None else patch
    stride = max(1, patch // 4) if stride is None else stride
    try:
        found = quality_map(scorer, photo, patch, stride)
        score = scorer.score(photo)
    except (PhotoError, FileNotFoundError) as error:
        click.echo(printable(str(error)), err=True)
        return 1
    low, high = found.scores.min(), found.scores.max()
    if not math.isfinite(low + high):
        raise InputError('the network gave no finite scores: are these the right weights?')
    draw(found, score, printable(Path(photo).name), target)
    click.echo(f'{printable(target)}: score {score:.3f}, patches {low:.3f} to {high:.3f}')
    return 0


def draw(found: QualityMap, score: float, name: str, path: str) -> None:
    """Write the photo, and beside it the photo with its map, as a PNG that is marked as a map.

    Args:
        found: the map.
        score: of the whole photo.
        name: of the photo, for the title.
        path: of the PNG.

    Raises:
        InputError: ``path`` exists and is not a regular file.
        OSError: can't be written.
    """
    import matplotlib.style
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from mmqpt.cli.inputs import MAP_MARK
    from mmqpt.core.files import replacing

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
        with replacing(path) as partial:
            figure.savefig(partial, dpi=100, format='png', facecolor='white', metadata={'Software': MAP_MARK})
