"""The card of an exported file: how good it is or what it knows, what it does not see, its limits, and what it is."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmqpt.core.errors import InputError
from mmqpt.core.weights_spec import WeightsSpec, file_sha256
from mmqpt.degradations import OPERATORS
from mmqpt.evaluation.reports.encoder_card import knowledge
from mmqpt.evaluation.reports.markdown import markdown_code, markdown_table
from mmqpt.evaluation.reports.markdown import markdown_text as text_of
from mmqpt.evaluation.statistics.over_photos import mean_over_photos

BLIND = 0.75  # share of correctly ordered pairs of levels below which an operator is listed as not seen


def model_card(
    weights: str | os.PathLike[str],
    results: Mapping[str, Any] | None = None,
    method: str | None = None,
    order: Mapping[str, Any] | None = None,
    notes: Mapping[str, str] | None = None,
) -> str:
    """Markdown.

    Args:
        weights: exported file, of a metric or of a pre-trained backbone.
        results: content of the ``results.json`` of a protocol: of a metric one with opinion scores, for the table of
            correlations; of a backbone that of ``mmqpt evaluate distortions``, with its start as the first encoder.
        method: which of its methods or encoders these weights are; may be left out where there is only one.
        order: content of the JSON file of mmqpt level-order; for a metric alone.
        notes: further lines, such as licence or authors.

    Raises:
        FileNotFoundError: no such file.
        InputError: results without that method, or content of another kind; an order of levels for a backbone.
    """
    from mmqpt.core.weights_file import read_weights  # needs torch, which the help of the command does not

    tensors, spec = read_weights(weights)
    sizes = {'backbone': 0, 'head': 0}
    for name, tensor in tensors.items():
        if not name.endswith(('running_mean', 'running_var', 'num_batches_tracked')):
            sizes[name.split('.')[0]] += tensor.numel()
    table = markdown_table(
        ('', ''),
        [*_facts(weights, spec, sizes), *((text_of(name), text_of(note)) for name, note in (notes or {}).items())],
    )
    if spec.kind == 'metric':
        lines = _of_scorer(results, method, order)
    elif order:
        raise InputError(f'{os.fspath(weights)}: a backbone without a quality head has no scores to put in order')
    else:
        lines = _of_encoder(results, method)
    title = f'# Model card: {text_of(Path(weights).name)}'
    return '\n'.join([title, '', *lines, '', '## The file', '', *table]) + '\n'


def _of_scorer(results: Mapping[str, Any] | None, method: str | None, order: Mapping[str, Any] | None) -> list[str]:
    return [
        'Blind image quality: one photo in, one score out. Made by QPT pre-training and fine-tuning with mmqpt.',
        *('', '## How good', ''),
        *_part(_quality, 'results', results, method),
        *('', '## What it sees, and what it is blind to', ''),
        *_part(_order, 'order', order),
        *('', '## Intended use, and limits', ''),
        '- Ranking, filtering and monitoring of photos like those it was trained on.',
        '- Not for decisions about people, nor for a verdict on a single photo'
        + (': RMSE above is the typical error.' if results else '.'),
        '- Graphics, screenshots, documents, medical and generated pictures were not among the training photos, unless '
        'the data set says so; scores of them mean little.',
        '- It judges what the raters of that set saw: technical quality mixed with how pleasing a photo is.',
    ]


def _of_encoder(results: Mapping[str, Any] | None, encoder: str | None) -> list[str]:
    return [
        'A backbone that QPT pre-trained with mmqpt to tell degradations of photos apart, without opinion scores.',
        *('', '## What it knows of degradations that its start does not', ''),
        *_part(knowledge, 'results', results, encoder),
        *('', '## Intended use, and limits', ''),
        '- The start of a metric: fine-tune it on opinion scores, or fit a head to its features.',
        '- It gives no score: which degradation matters to people it has not been told.',
        '- It knows degradations of the kinds and strengths that its recipes had, on photos like those it was trained '
        'on.',
    ]


def _part(write: Callable[..., list[str]], name: str, found: Mapping[str, Any] | None, *rest: Any) -> list[str]:
    if not found:
        return ['Not measured in this card.']
    try:
        return write(found, *rest)
    except (KeyError, TypeError, IndexError, ValueError, AttributeError, ArithmeticError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f'{name}: not what the tool writes ({type(error).__name__}: {error})') from error


def _facts(weights: str | os.PathLike[str], spec: WeightsSpec, sizes: Mapping[str, int]) -> list[tuple[str, str]]:
    scale = (
        'not stated' if spec.mos_range is None else f'0 and 1 stand for {spec.mos_range[0]:g} and {spec.mos_range[1]:g}'
    )
    scorer = [
        ('score', f'0 to 1, higher is better; on the scale of the opinion scores {scale}'),
        ('opinion scores of', text_of(spec.dataset or 'not stated')),
        ('size rule', ', '.join(f'{key} {text_of(str(value))}' for key, value in (spec.view or {}).items())),
    ]
    encoder = [('photos without labels', text_of(spec.dataset or 'not stated'))]
    head = f'; head of {sizes["head"]:,}' if spec.kind == 'metric' else ''
    return [
        ('network', f'{text_of(spec.backbone)} of timm, {sizes["backbone"]:,} parameters{head}'),
        *(scorer if spec.kind == 'metric' else encoder),
        (
            f'training steps of the {"fine-tuning" if spec.kind == "metric" else "pre-training"}',
            'not stated' if spec.iterations is None else f'{spec.iterations:,}',
        ),
        ('config', f'sha256 {markdown_code(spec.config_sha256)}' if spec.config_sha256 else 'not stated'),
        ('file', f'{Path(weights).stat().st_size / 1e6:.1f} MB, sha256 `{file_sha256(weights)}`'),
        ('made with', f'mmqpt {text_of(spec.mmqpt_version)}'),
    ]


def _quality(results: Mapping[str, Any], method: str | None) -> list[str]:
    names = [found['name'] for found in results['methods']]
    if method is None and len(names) == 1:
        method = names[0]
    if method not in names:
        raise InputError(f'the results have no method {method!r}; there are: {", ".join(names)}')
    leading = results.get('leading', '')
    rows = []
    for row in sorted(results['summary'], key=lambda row: row['subset'] != leading):
        if row['method'] == method:
            cells = [_with_interval(row['metrics'].get(name)) for name in ('SRCC', 'PLCC', 'RMSE')]
            name = text_of(row['subset'] or 'all')
            rows.append((name, f'{row["fraction"]:.0%}', str(int(row['splits'])), *cells))
    table = markdown_table(('photos', 'share of the labels', 'splits', 'SRCC', 'PLCC', 'RMSE'), rows)
    why = (
        f' First the {text_of(leading)}: differences between subsets carry the figures of all photos.'
        if leading
        else ''
    )
    return [
        f'{text_of(results["title"])}, median over the splits [95 % interval]; '
        f'{markdown_code(results["command"])}.{why}',
        '',
        *table,
    ]


def _with_interval(found: Mapping[str, float] | None) -> str:
    return '-' if not found else f'{found["median"]:.3f} [{found["low"]:.3f}, {found["high"]:.3f}]'


def _order(order: Mapping[str, Any]) -> list[str]:
    rows = sorted(order['operators'], key=lambda row: row['ordered'])
    mean = sum(row['ordered'] for row in rows) / len(rows) if rows else 0.0
    between = _over_photos([row.get('by_photo') for row in rows])
    blind = [row for row in rows if row['ordered'] < BLIND]
    text = (
        f'{len(rows)} degradations and directions, each at five levels on {len(order["photos"])} photos: the harsher '
        f'level scores lower in {mean:.0%}{between} of the pairs (chance: 50 %). Below {BLIND:.0%}:'
    )
    named = [
        (text_of(_named(row)), text_of(row['kind']), f'{row["ordered"]:.0%}', f'{row["drop"][-1]:+.3f}')
        for row in blind
    ]
    heads = ('degradation', 'kind', 'rightly ordered', 'mean loss of score at level 5')
    lines = [text, '', *(markdown_table(heads, named) if named else ['none.'])]
    frames = order.get('blank_frames')
    if frames:
        scores = ', '.join(
            f'{text_of(kind)} {found["lowest"]:.3f} to {found["highest"]:.3f}' for kind, found in frames.items()
        )
        lines += ['', f'Frames without a picture: {scores}.']
    return lines


def _over_photos(by_photo: Sequence[Sequence[float] | None]) -> str:
    """The interval of the share of ordered pairs; of files of versions before 0.2, nothing."""
    if not by_photo or None in by_photo:
        return ''
    interval = mean_over_photos(np.mean(np.array(by_photo, dtype=float), axis=0))[1]
    return '' if interval is None else f' [{interval[0]:.0%}, {interval[1]:.0%}; 95 % interval over photos]'


def _named(row: Mapping[str, Any]) -> str:
    signs = OPERATORS[row['operator']].signs if row['operator'] in OPERATORS else (1,)
    return row['operator'] if len(signs) == 1 else f'{row["operator"]} {"+" if row["sign"] > 0 else "-"}'
