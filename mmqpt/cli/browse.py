"""Look at the degradations on a photo: a contact sheet (PNG) and a page for the browser (HTML, all in one file).

Example:
    mmqpt browse photo.jpg --recipes 12

The sheet has one row an operator and direction, and one column a level; the page has the same, and recipes drawn from
a preset with their steps written under them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2

from mmqpt.cli.browse_page import draw_recipes, page, sheet, shrink
from mmqpt.core.errors import InputError
from mmqpt.core.photo import read_photo
from mmqpt.degradations import PRESETS, all_operators, load_operators, operator


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument('photo', type=Path, help='photo to degrade')
    parser.add_argument(
        '--out',
        type=Path,
        default=Path('work_dirs/browse_degradations'),
        help='folder to write to (default: %(default)s)',
    )
    parser.add_argument(
        '--import', dest='imports', nargs='+', default=[], metavar='MODULE|FILE.py',
        help='your own operators: modules or files that register them; they are shown after the others',
    )  # fmt: skip
    parser.add_argument('--operators', nargs='+', metavar='NAME', help='operators to show; all by default')
    parser.add_argument('--recipes', type=int, default=12, help='number of recipes to draw (default: %(default)s)')
    parser.add_argument('--preset', default='large', choices=list(PRESETS), help='what to draw recipes from')
    parser.add_argument('--seed', type=int, default=0, help='of the noise and of the draws')
    parser.add_argument('--side', type=int, default=384, help='longer side in px to degrade at (default: %(default)s)')
    parser.add_argument(
        '--tile', type=int, default=160, help='width in px of a tile of the sheet (default: %(default)s)'
    )


def run(args: argparse.Namespace) -> None:
    """Writes the sheet and the page."""
    if args.recipes < 0 or args.seed < 0:
        raise InputError('--recipes and --seed must be >= 0')
    if args.side < 16 or args.tile < 16:
        raise InputError('--side and --tile must be >= 16')
    for source in args.imports:
        load_operators(source)
    rows = [operator(name) for name in args.operators or all_operators()]
    photo = shrink(read_photo(args.photo), args.side)
    args.out.mkdir(parents=True, exist_ok=True)
    sheet_path, page_path = args.out / 'contact_sheet.png', args.out / 'index.html'
    done, data = cv2.imencode('.png', sheet(photo, rows, args.tile, args.seed)[..., ::-1])
    if not done:
        raise InputError(f"{sheet_path}: a sheet of {len(rows)} operators can't be drawn")
    sheet_path.write_bytes(data.tobytes())  # OpenCV would say nothing of a full disk
    recipes = draw_recipes(args.preset, args.recipes, args.seed)
    text = page(photo, args.photo.name, rows, recipes, args.preset, args.seed)
    page_path.write_text(text, encoding='utf-8', errors='backslashreplace')
    print(f'{sheet_path} and {page_path} written: {len(rows)} operators, {len(recipes)} recipes')
