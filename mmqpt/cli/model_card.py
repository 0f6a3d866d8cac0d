"""Write the model card of an exported file, to publish beside it.

Examples:
    mmqpt model-card qpt.safetensors --results work_dirs/finetune/results.json --method QPT \\
        --order order.json --note licence="CC-BY-4.0" --out MODEL_CARD.md

    mmqpt model-card encoder.safetensors --results work_dirs/distortions/results.json --out ENCODER_CARD.md

--results is what mmqpt evaluate wrote (for an encoder, mmqpt evaluate distortions with its start as the first one),
--order what `mmqpt level-order --out` wrote.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from mmqpt.cli.options import add_overwrite, check_targets
from mmqpt.core.errors import InputError
from mmqpt.core.files import write_text
from mmqpt.evaluation.reports.model_card import model_card


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument('weights', help='exported file, of a metric or an encoder')
    parser.add_argument('--results', type=Path, help='results.json of a protocol')
    parser.add_argument('--method', help='which of its methods or encoders these weights are')
    parser.add_argument('--order', type=Path, help='JSON file of mmqpt level-order')
    parser.add_argument('--note', nargs='+', default=[], metavar='NAME=TEXT', help='further rows of the first table')
    parser.add_argument('--out', type=Path, help='Markdown file; printed by default')
    add_overwrite(parser)


def run(args: argparse.Namespace) -> None:
    """Writes or prints the card."""
    for note in args.note:
        if '=' not in note:
            raise InputError(f'--note must be NAME=TEXT, got {note!r}')
    check_targets(args.overwrite, args.out, inputs=[args.weights, args.results, args.order])
    notes = dict(note.split('=', 1) for note in args.note)
    card = model_card(args.weights, read(args.results), args.method, read(args.order), notes)
    if args.out:
        write_text(args.out, card)
    else:
        print(card, end='')


def read(path: Path | None) -> Any:
    """JSON of a file that may have been left out."""
    if path is None:
        return None
    if not path.is_file():
        raise FileNotFoundError(f'no such file: {path}')
    try:
        return json.loads(path.read_text(encoding='utf-8'))
    except ValueError as error:
        raise InputError(f'{path}: not JSON ({error})') from error
