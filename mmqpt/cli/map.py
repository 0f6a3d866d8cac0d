"""``mmqpt map``."""

from __future__ import annotations

import math
import os
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mmqpt.cli.scoring import RUNTIME, scorer_and_facts
from mmqpt.core.errors import InputError, PhotoError
from mmqpt.core.extras import require

if TYPE_CHECKING:
    from mmqpt.metric.open import Scorer
    from mmqpt.metric.quality_map import QualityMap

_INCHES = 7.0  # long side of the photo on the page
_LEGEND = (
    'A score says how this place looks beside others, not how good the photo is: a patch lacks the context that the '
    'scores of photos were learned with. Colours mean the same in every map.'
)
_HATCHED = 'Hatched: no detail to judge.'


@click.command('map', short_help='Show where in a photo the quality is low.')
@click.argument('source', metavar='PHOTO|FOLDER')
@click.option(
    '--out',
    metavar='FILE.png|FOLDER',
    help='What to write. Of a photo: a file, replaced if it exists; NAME-map.png here by default. Of a folder: a '
    "folder for NAME.jpg-map.png and the like; 'maps' by default.",
)
@click.option('-r', '--recursive', is_flag=True, help='Draw maps of the photos in subfolders of FOLDER as well.')
@click.option('--patch', type=int, metavar='PX', help='Side of the square patches.')
@click.option('--stride', type=int, metavar='PX', help='From one patch to the next, at most; a quarter of --patch.')
@click.option('--weights', metavar='NAME|FILE', help="Name or file of the weights; 'qpt' by default.")
@click.option('--device', help="'cpu', 'cuda', 'cuda:1'...; a GPU by default where there is one.")
@click.option('--runtime', type=RUNTIME, help='What computes the scores, as for mmqpt score.')
@click.option('--no-progress', is_flag=True, help='No progress bar (there is none without a terminal either).')
def map_command(
    source: str,
    out: str | None,
    recursive: bool,
    patch: int | None,
    stride: int | None,
    weights: str | None,
    device: str | None,
    runtime: str | None,
    no_progress: bool,
) -> int:
    """Draw the local quality of a photo over it, from red (worse) to blue (better).

    Patches are scored by themselves. Their scores tell places apart and are not on the scale of scores of whole photos;
    the colours are the same in every map, from 0 to 1. Patches without detail (sky, a plain wall) are hatched: their
    scores say little.

    \b
    Examples:
        mmqpt map photo.jpg
        mmqpt map photo.jpg --out map.png
        mmqpt map holiday -r --out maps
    """
    from mmqpt.cli.terminal import printable
    from mmqpt.metric.quality_map import PATCH

    require('matplotlib', 'report', 'mmqpt map')
    if source == '-':
        raise InputError('mmqpt map takes one photo or folder, not a list')
    patch = PATCH if patch is None else patch
    stride = max(1, patch // 4) if stride is None else stride
    if not os.path.isdir(source):
        if recursive:
            raise click.UsageError(f'--recursive is for a folder; {printable(source)} is none')
        target = _target_of_photo(source, out)
        scorer, _ = scorer_and_facts(weights, device, runtime)
        return 0 if _map_photo(scorer, source, target, patch, stride) else 1
    targets, unsearched = _targets_of_folder(source, 'maps' if out is None else out, recursive)
    for sentence in unsearched:
        click.echo(printable(sentence), err=True)
    scorer, _ = scorer_and_facts(weights, device, runtime)
    from tqdm import tqdm

    failed = 0
    for photo, target in tqdm(targets.items(), unit=' maps', disable=True if no_progress else None, dynamic_ncols=True):
        os.makedirs(os.path.dirname(target), exist_ok=True)
        failed += not _map_photo(scorer, photo, target, patch, stride)
    click.echo(f'{len(targets) - failed} maps, {failed + len(unsearched)} failed', err=True)
    return 1 if failed or unsearched else 0


def _target_of_photo(photo: str, out: str | None) -> str:
    """The file to write, after all checks that need no weights."""
    from mmqpt.cli.inputs import MAP_SUFFIX, is_map
    from mmqpt.cli.terminal import printable
    from mmqpt.core.files import same_file, target_file

    target = Path(photo).stem + MAP_SUFFIX if out is None else out
    if not target.lower().endswith('.png'):
        raise InputError(f'--out must end with .png, got {printable(target)!r}')
    if same_file(target, photo):
        raise InputError(f'{"this map" if out is None else "--out"} would replace the photo {printable(photo)}')
    if os.path.isfile(target) and out is None and not is_map(target):
        raise InputError(f'{printable(target)} exists and is not a map; give --out')
    target_file(target)
    return target


def _targets_of_folder(folder: str, out: str, recursive: bool) -> tuple[dict[str, str], list[str]]:
    """The map of each photo: its path from ``folder``, in ``out``. A file that is there must be a map. Then a sentence
    for each folder that can't be searched."""
    from mmqpt.cli.inputs import MAP_SUFFIX, is_map, list_inputs
    from mmqpt.cli.terminal import printable

    if os.path.lexists(out) and not os.path.isdir(out):
        raise InputError(f'--out must be a folder for the maps of a folder, got the file {printable(out)}')
    photos, _, unsearched = list_inputs([folder], recursive)
    targets = {photo: os.path.join(out, os.path.relpath(photo, folder) + MAP_SUFFIX) for photo in photos}
    mine = next((path for path in targets.values() if os.path.lexists(path) and not is_map(path)), None)
    if mine is not None:
        raise InputError(f'{printable(mine)} exists and is not a map; give another --out')
    return targets, unsearched


def _map_photo(scorer: Scorer, photo: str, target: str, patch: int, stride: int) -> bool:
    """Write one map and say so, or say what is wrong with the photo."""
    from mmqpt.cli.terminal import printable
    from mmqpt.metric.quality_map import quality_map

    try:
        found = quality_map(scorer, photo, patch, stride)
        score = scorer.score(photo)
    except (PhotoError, FileNotFoundError) as error:
        click.echo(printable(str(error)), err=True)
        return False
    low, high = found.scores.min(), found.scores.max()
    if not math.isfinite(low + high):
        raise InputError('the network gave no finite scores: are these the right weights?')
    draw(found, score, printable(Path(photo).name), target)
    plain = found.plain().mean()
    hatched = f', {plain:.0%} without detail' if plain else ''
    click.echo(f'{printable(target)}: score {score:.3f}, patches {low:.3f} to {high:.3f}{hatched}')
    return True


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
    style: Any = ['default', {'text.parse_math': False, 'font.family': 'DejaVu Sans', 'hatch.linewidth': 0.6}]
    with matplotlib.style.context(style):
        side = max(3.2, width * scale)
        figure = Figure(figsize=(2 * side + 1.2, max(1.5, height * scale) + 1.9), layout='constrained')
        FigureCanvasAgg(figure)
        left, right = figure.subplots(1, 2)
        left.imshow(found.photo)
        right.imshow(found.photo)
        drawn = right.imshow(found.per_pixel(), cmap='RdYlBu', alpha=0.55, vmin=0, vmax=1)
        plain = found.plain_per_pixel()
        if plain.any() and min(plain.shape) > 1:  # contours need two rows and columns
            right.contourf(plain, levels=[0.5, 1.5], hatches=['////'], colors='none')
        for axes in (left, right):
            axes.set_axis_off()
        left.set_title(f'score of the photo {score:.3f}', fontsize=11)
        rows, columns = found.scores.shape
        low, high = found.scores.min(), found.scores.max()
        right.set_title(f'patches {low:.2f} to {high:.2f}', fontsize=11)
        figure.colorbar(drawn, ax=right, shrink=0.9, label='score of a patch, higher is better')
        title = name if len(name) <= 80 else f'{name[:40]}…{name[-39:]}'
        figure.suptitle(title, fontsize=12, fontweight='bold')
        legend = (
            f'{rows} x {columns} patches of {found.patch[1]} x {found.patch[0]} px, each scored by itself. {_LEGEND}'
        )
        if plain.any():
            legend += f' {_HATCHED}'
        lines = textwrap.fill(legend, max(40, round(figure.get_figwidth() * 13)))
        figure.supxlabel(lines, fontsize=9, color='#555555')
        with replacing(path) as partial:
            figure.savefig(partial, dpi=100, format='png', facecolor='white', metadata={'Software': MAP_MARK})
