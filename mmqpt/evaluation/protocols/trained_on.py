"""Which rated sets a method was trained on, as far as it is known: a test on their photos flatters it."""

from __future__ import annotations

import json
import re
from pathlib import Path

from mmqpt.core.errors import InputError
from mmqpt.core.weights_spec import SPEC_KEY, read_metadata
from mmqpt.evaluation.protocols.learners import PYIQA, Method, joined_weights
from mmqpt.models.backbone import weights_path
from mmqpt.models.checkpoint import export_spec_of, load_checkpoint_file

_KONIQ = (
    *('arniqa', 'clipiqa+', 'clipiqa+_rn50_512', 'clipiqa+_vitL14_512', 'cnniqa', 'dbcnn', 'hyperiqa', 'liqe'),
    *('maniqa', 'musiq', 'topiq_nr', 'tres', 'wadiqam_nr'),
)
_MIXED = ('live', 'csiq', 'kadid10k', 'bid', 'clive', 'koniq10k')
SETS_OF_METRICS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(_KONIQ, ('koniq10k',)),
    'brisque': ('live',),
    'brisque_matlab': ('live',),
    'liqe_mix': _MIXED,
    'unique': (*_MIXED, 'tid2013'),
    'paq2piq': ('flive',),
    'qalign': ('koniq10k', 'spaq', 'kadid10k'),
    'qalign_4bit': ('koniq10k', 'spaq', 'kadid10k'),
    'qalign_8bit': ('koniq10k', 'spaq', 'kadid10k'),
}
"""Sets that pyiqa's metrics of these names were trained on; source: pyiqa's model cards and the metrics' papers."""

_SUFFIXES = {
    'koniq': 'koniq10k', 'koniq10k': 'koniq10k', 'spaq': 'spaq', 'flive': 'flive', 'kadid': 'kadid10k',
    'tid': 'tid2013', 'csiq': 'csiq', 'live': 'live', 'clive': 'clive', 'livec': 'clive', 'pipal': 'pipal',
}  # fmt: skip
"""Ends of pyiqa's names, as of ``musiq-spaq``, and the sets that they stand for."""


def sets_trained_on(method: Method) -> set[str]:
    """Keys of the sets whose scores a method has seen before the protocol; empty where it has not, or does not say.

    A finished metric of pyiqa is known by its name; an exported file and a checkpoint of fine-tuning name their set.
    """
    if method.is_pyiqa:
        name = method.weights.removeprefix(PYIQA)
        if '@' in name:
            return _of_file(name.partition('@')[2])
        for end, key in _SUFFIXES.items():
            if name.endswith((f'-{end}', f'_{end}')):
                return {key}
        return set(SETS_OF_METRICS.get(name, ()))
    return set().union(*(_of_file(weights) for weights in joined_weights(method)))


def warning_of(method: Method, test_set: str) -> str:
    """A sentence where a method was trained on the set that it is tested on; ``''`` elsewhere."""
    plain = _plain(test_set)
    seen = sorted(name for name in sets_trained_on(method) if _plain(name) == plain)
    if not seen:
        return ''
    return (
        f'{method.name} was trained on {seen[0]}, from which the test photos come: it may have seen their scores, '
        'and its figures are too good to compare'
    )


def _of_file(weights: str) -> set[str]:
    try:
        path = weights_path(weights)
        if weights.startswith('imagenet:') or not path.is_file():
            return set()
        if path.suffix == '.safetensors':
            said = json.loads(read_metadata(path).get(SPEC_KEY, '{}'))
            found = said.get('dataset') if said.get('kind') == 'metric' else None
        else:
            spec = export_spec_of(load_checkpoint_file(Path(path)))
            found = spec.get('data', {}).get('dataset') if spec.get('kind') == 'metric' else None
    except (InputError, ValueError, AttributeError):  # checked elsewhere
        return set()
    return {found} if isinstance(found, str) else set()


def _plain(name: str) -> str:
    return re.sub(r'\(.*?\)|[^a-z0-9]', '', name.lower())
