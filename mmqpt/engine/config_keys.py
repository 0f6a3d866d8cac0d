"""Keys that options add to a config: each must be one that something takes."""

from __future__ import annotations

import contextlib
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import mmpretrain.registry as registries
import torch
from mmengine.optim import OptimWrapper
from mmengine.registry import Registry
from mmengine.runner import EpochBasedTrainLoop, LogProcessor, set_random_seed
from torch.utils.data import DataLoader

from mmqpt.core.errors import InputError, did_you_mean
from mmqpt.core.head import HEADS
from mmqpt.core.view import View
from mmqpt.degradations.space import DegradationSpace
from mmqpt.models.preprocessor import PhotoPreprocessor
from mmqpt.models.rating_scales import RatingScales

_ALWAYS = ('type', '_scope_', '_delete_', 'init_cfg')
_SCHEDULES = ('convert_to_iter_based',)
_FREE = ('custom_keys', 'where', 'from_level')
"""Mappings whose keys are names of the user's: layers, columns, operators."""

_PARAMWISE = (
    *('lr_mult', 'decay_mult', 'custom_keys', 'bias_lr_mult', 'bias_decay_mult', 'norm_decay_mult', 'flat_decay_mult'),
    *('dwconv_decay_mult', 'dcn_offset_lr_mult', 'bypass_duplicate', 'layer_decay_rate', 'force_default_settings'),
)
_LOADER = ('dataset', 'sampler', 'batch_sampler', 'num_batch_per_epoch', 'disable_subprocess_warning')


def check_new_keys(before: Any, after: Any, where: str = '') -> None:
    """Refuse the keys that a config has and its original does not, unless something takes them.

    Args:
        before: the original, or a part of it; plain dicts and lists.
        after: the same part of the config.
        where: the keys that lead to it.

    Raises:
        InputError: a key that nothing takes; names the nearest that is taken.
    """
    if isinstance(after, (list, tuple)):
        same = isinstance(before, (list, tuple)) and len(before) == len(after)
        for number, inner in enumerate(after):
            check_new_keys(before[number] if same else None, inner, f'{where}.{number}')
    if not isinstance(after, dict) or before == after:
        return
    known = before if isinstance(before, dict) and before.get('type') == after.get('type') else {}
    for key, inner in after.items():
        place = f'{where}.{key}' if where else key
        if key not in known:
            _check(key, inner, after, before, where)
        check_new_keys(known.get(key), inner, place)


def _check(key: str, value: Any, parent: Mapping[str, Any], before: Any, where: str) -> None:
    if not where or key in _ALWAYS:
        return  # names of settings are checked as such
    taken, open_ended = _taken(parent, where)
    if key in taken or (where.split('.')[-1] == 'default_hooks' and isinstance(value, dict) and 'type' in value):
        return
    others = [name for name in {**dict.fromkeys(taken), **(before if isinstance(before, dict) else {})} if name != key]
    hint = did_you_mean(key, others, 0.75 if open_ended else 0.6)
    if not open_ended or hint:
        raise InputError(f'--cfg-options {where}.{key}: {_title(parent, where)} takes no {key!r}{hint}')


def _title(parent: Mapping[str, Any], where: str) -> str:
    return f'{parent["type"]} ({where})' if isinstance(parent.get('type'), str) else where


def _taken(parent: Mapping[str, Any], where: str) -> tuple[list[str], bool]:
    """Keys that a dict of the config may have, and whether it may have others that can't be told."""
    last = where.split('.')[-1]
    kind = parent.get('type')
    if where == 'optim_wrapper':
        names, more = _parameters(_find(kind) or OptimWrapper)
        return [*names, 'constructor', 'paramwise_cfg'], more
    if where.startswith('optim_wrapper.') and last == 'optimizer':
        names, more = _parameters(_find(kind)) if _find(kind) else ([], True)
        return names, more
    if last == 'head' and 'QualityHead' not in str(kind) and (kind is None or kind in HEADS):
        return _parameters(HEADS[kind or 'QualityHead'])
    if kind is not None:
        found = kind if callable(kind) else _find(kind)
        names, more = _parameters(found) if found else ([], True)
        return [*names, *(_SCHEDULES if where.startswith('param_scheduler') else ())], more
    if last in _FREE:
        return [], True
    plain = _plain(where, last)
    return plain if plain is not None else ([], True)


def _plain(where: str, last: str) -> tuple[list[str], bool] | None:
    """The same of a dict without a type, by its place; None where it is not known."""
    if where.endswith('_dataloader'):
        return [*_parameters(DataLoader)[0], *_LOADER], False
    if where == 'train_cfg':
        return [*_parameters(EpochBasedTrainLoop)[0], 'by_epoch', 'max_iters'], False
    if where in ('val_cfg', 'test_cfg'):
        return ['fp16'], False
    if where == 'auto_scale_lr':
        return ['base_batch_size', 'enable'], False
    if where == 'env_cfg':
        return ['cudnn_benchmark', 'mp_cfg', 'dist_cfg', 'resource_limit'], False
    if where == 'default_hooks':
        return [], False
    if last == 'clip_grad':
        return _parameters(torch.nn.utils.clip_grad_norm_)[0], False
    if last == 'paramwise_cfg':
        return list(_PARAMWISE), True
    makers: dict[str, Callable[..., Any]] = {
        'randomness': set_random_seed,
        'log_processor': LogProcessor,
        'view': View,
        'space': DegradationSpace,
        'data_preprocessor': PhotoPreprocessor,
        'scales': RatingScales,
    }
    if last in makers:
        return _parameters(makers[last])
    return None


def _parameters(maker: Callable[..., Any]) -> tuple[list[str], bool]:
    """Names of the arguments of a function, or of a class and those that it passes on; whether there may be others."""
    if not isinstance(maker, type):
        return _named([maker])
    return _named(vars(base)['__init__'] for base in maker.__mro__ if '__init__' in vars(base) and base is not object)


def _named(functions: Iterable[Any]) -> tuple[list[str], bool]:
    names: list[str] = []
    for function in functions:
        try:
            parameters = inspect.signature(function).parameters.values()
        except (TypeError, ValueError):  # of C
            return names, True
        names += [
            p.name for p in parameters if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD) and p.name != 'self'
        ]
        rest = [p.name for p in parameters if p.kind == p.VAR_KEYWORD]
        if not rest:
            return names, False
        if not _passes_on(function, rest[0]):
            return names, True
    return names, True


def _passes_on(function: Any, rest: str) -> bool:
    """Whether a constructor gives the other arguments to that of its base class, and not to some function."""
    try:
        source = inspect.getsource(function)
    except (OSError, TypeError):
        return False
    return re.search(rf'super\([^)]*\)\.__init__\([^()]*\*\*{rest}\b', source) is not None


def _find(kind: Any) -> Any:
    """The class or function of a ``type``, whatever registry it is in; None where there is none."""
    if callable(kind):
        return kind
    if not isinstance(kind, str):
        return None
    for registry in vars(registries).values():
        if isinstance(registry, Registry) and kind in registry.module_dict:
            return registry.get(kind)
    for registry in vars(registries).values():  # those of MMEngine's, which mmpretrain's inherit
        if isinstance(registry, Registry):
            with contextlib.suppress(RuntimeError):  # no such name
                found = registry.get(kind)
                if found is not None:
                    return found
    return None
