"""``--cfg-options``: a value is put where the config defines its name, so that what is computed from it follows."""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import mmengine.config.config as mmengine_config
from mmengine.config import Config, ConfigDict

from mmqpt.core.errors import InputError, did_you_mean, first_line
from mmqpt.engine.config_file import read_config
from mmqpt.engine.config_keys import check_new_keys
from mmqpt.engine.custom_imports import import_components

SETTINGS = (
    *('model', 'data_preprocessor', 'train_dataloader', 'val_dataloader', 'test_dataloader', 'train_cfg', 'val_cfg'),
    *('test_cfg', 'val_evaluator', 'test_evaluator', 'optim_wrapper', 'param_scheduler', 'auto_scale_lr'),
    *('default_hooks', 'custom_hooks', 'custom_imports', 'default_scope', 'env_cfg', 'log_processor', 'log_level'),
    *('visualizer', 'randomness', 'work_dir', 'experiment_name', 'load_from', 'resume', 'launcher', 'sync_bn'),
    *('model_wrapper_cfg', 'find_unused_parameters', 'activation_checkpointing', 'efficient_conv_bn_eval', 'compile'),
    *('tta_model', 'tta_pipeline'),
)
"""What MMEngine's runner and the commands read of a config. Its other names are its own: they matter only by what is
computed from them."""

_WHOLE = ('_dataloader', '_cfg', '_evaluator', '_wrapper', '_scheduler')
"""Ends of the names of settings that can't be made of a single key."""

DELETE = '_delete_'
"""``KEY._delete_=True`` empties a dict before other options fill it, as in MMEngine."""

_options: dict[str, Any] = {}  # of the config that is being read


def read_with_options(
    path: str, options: Mapping[str, Any] | None = None, unused: Mapping[str, str] | None = None
) -> Config:
    """A config, with options in it; what its ``custom_imports`` name is imported.

    An option of one of the config's own names (``crop``, ``view.min_side``) takes its place where the config defines
    it. One of a setting (``model.head.hidden``) changes that setting and nothing else, as in MMEngine.

    Args:
        path: of the config.
        options: values by key, with dots between the keys of nested dicts and the numbers of items.
        unused: settings that the command does not read or replaces, and what to give instead.

    Raises:
        InputError: an option whose name the config doesn't have, that no setting is computed from, or that can't be
            set; a key that nothing takes; a module of ``custom_imports`` that is not there.
    """
    plain = _read(path, {})
    if not options:
        import_components(plain)
        return plain
    unused = unused or {}
    own = {key: value for key, value in options.items() if _root(key) not in SETTINGS}
    for key in options:
        _check_name(plain, key)
        for prefix, instead in unused.items():
            if key == prefix or key.startswith(f'{prefix}.'):
                raise InputError(f'--cfg-options {key}: has no effect here; {instead}')
    cfg = _read(path, own)
    for key, value in own.items():
        if _has(plain, key) and _get(plain, key) == value:
            continue
        if _used(cfg, unused) == _used(_read(path, {k: v for k, v in own.items() if k != key}), unused):
            _refuse_without_effect(cfg, key, unused)
    for key, value in _deletions_first(options):
        if key not in own:
            root, *keys = key.split('.')
            cfg[root] = _put(cfg._cfg_dict.get(root), keys, value, [root])
    import_components(cfg)
    check_new_keys(_used(plain, {}), _used(cfg, {}))
    return cfg


def put_in_place(name: str, value: Any) -> Any:
    """The value of a name of the config that is being read, with the options in it: what a read config calls."""
    for key, option in _deletions_first(_options):
        root, *keys = key.split('.')
        if root == name:
            value = _put(value, keys, option, [root])
    return value


class _PutAfterAssignments(mmengine_config.RemoveAssignFromAST):  # type: ignore[misc]
    """After each assignment to a name that has an option, a call of :func:`put_in_place`."""

    def visit_Assign(self, node: ast.Assign) -> Any:
        kept = super().visit_Assign(node)
        return kept if kept is None else self._with_options(node, node.targets)

    def visit_AugAssign(self, node: ast.AugAssign) -> Any:
        return self._with_options(node, [node.target])

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        return self._with_options(node, [node.target] if node.value else [])

    def visit_FunctionDef(self, node: ast.FunctionDef) -> Any:
        return node  # its names are its own

    def visit_ClassDef(self, node: ast.ClassDef) -> Any:
        return node

    @staticmethod
    def _with_options(node: ast.stmt, targets: Sequence[ast.expr]) -> list[ast.stmt]:
        roots = {_root(key) for key in _options}
        names = [part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name)]
        found: list[ast.stmt] = [node]
        for name in dict.fromkeys(names):
            if name in roots:
                call = f'{name} = __import__({__name__!r}, fromlist=[""]).put_in_place({name!r}, {name})'
                for statement in ast.parse(call).body:
                    for part in ast.walk(statement):
                        ast.copy_location(part, node)
                    found.append(statement)
        return found


@contextlib.contextmanager
def _in_place(options: Mapping[str, Any]) -> Iterator[None]:
    """Inside, configs are read with options in place. MMEngine has no other way in than the visitor of its parser."""
    before = mmengine_config.RemoveAssignFromAST
    _options.update(options)
    mmengine_config.RemoveAssignFromAST = _PutAfterAssignments
    try:
        yield
    finally:
        mmengine_config.RemoveAssignFromAST = before
        _options.clear()


def _read(path: str, own: Mapping[str, Any]) -> Config:
    with _in_place(own):
        try:
            return read_config(path)
        except (InputError, OSError):
            raise
        except Exception as error:  # the config's own code, on a value that it was not written for
            if not own:
                raise
            given = ', '.join(f'{key}={value}' for key, value in own.items())
            kind = type(error).__name__
            raise InputError(f'{path}: can not be read with {given} ({kind}: {first_line(error)})') from error


def _deletions_first(options: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return sorted(options.items(), key=lambda pair: not pair[0].endswith(f'.{DELETE}'))


def _put(value: Any, keys: Sequence[str], option: Any, where: list[str]) -> Any:
    """The value with an option in it, at a place below; the value itself stays as it is."""
    here = '.'.join(where)
    if not keys:
        if isinstance(value, dict) and isinstance(option, (int, float, list, tuple)):
            raise InputError(f'--cfg-options {here}: {here} has keys of its own; give {here}.KEY=VALUE')
        both = isinstance(option, dict) and isinstance(value, dict)
        return Config._merge_a_into_b(option, value, allow_list_keys=True) if both else option
    key, *rest = keys
    if keys == [DELETE]:
        return ConfigDict() if option else value
    if isinstance(value, (list, tuple)):
        if not key.isdigit() or int(key) >= len(value):
            items = f'a list with the items 0 to {len(value) - 1}' if value else 'an empty list'
            raise InputError(f'--cfg-options {here}.{key}: {here} is {items}')
        changed = list(value)
        changed[int(key)] = _put(value[int(key)], rest, option, [*where, key])
        return changed if isinstance(value, list) else tuple(changed)
    if value is not None and not isinstance(value, dict):
        raise InputError(f'--cfg-options {here}.{key}: {here} is {value!r} and has no keys')
    found = ConfigDict(value or {})
    found[key] = _put(found.get(key), rest, option, [*where, key])
    return found


def _check_name(cfg: Config, key: str) -> None:
    """Refuse the option of a name that neither the config nor the runner knows."""
    root = _root(key)
    known = [*cfg._cfg_dict, *SETTINGS]
    if root not in known:
        raise InputError(f'--cfg-options {key}: the config has no {root!r}{did_you_mean(root, known)}')
    if root not in cfg._cfg_dict and '.' in key and root.endswith(_WHOLE):
        raise InputError(f'--cfg-options {key}: the config has no {root!r}')
    if (
        key == root
        and isinstance(cfg._cfg_dict.get(root), dict)
        and root in SETTINGS
        and root.endswith(('model', *_WHOLE))
    ):
        raise InputError(f'--cfg-options {key}: {root} has keys of its own; give {root}.KEY=VALUE')


def _refuse_without_effect(cfg: Config, key: str, unused: Mapping[str, str]) -> None:
    """Name the settings of the same name that are written out, and what the command takes instead."""
    last = key.split('.')[-1]
    places = [place for place in _places(_used(cfg, unused), last) if not place.startswith('custom_imports')]
    instead = [text for prefix, text in unused.items() if prefix.split('.')[-1] == last]
    hint = f'; set {" or ".join(places[:3])}' if places else ''
    hint = f'; {instead[0]}' if instead else hint
    raise InputError(f'--cfg-options {key}: has no effect, since nothing here is computed from {_root(key)}{hint}')


def _places(value: Any, name: str, where: str = '') -> list[str]:
    """Keys of settings that end with a name."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, (list, tuple)) else ()
    found = []
    for key, inner in items:
        place = f'{where}.{key}' if where else str(key)
        found += ([place] if key == name else []) + _places(inner, name, place)
    return found


def _used(cfg: Config, unused: Mapping[str, str]) -> dict[str, Any]:
    """The settings of a config, without those that the command does not read."""
    found: dict[str, Any] = {key: value for key, value in cfg.to_dict().items() if key in SETTINGS}
    for prefix in unused:
        *keys, last = prefix.split('.')
        place: Any = found
        for key in keys:
            place = place.get(key) if isinstance(place, dict) else None
        if isinstance(place, dict):
            place.pop(last, None)
    return found


def _has(cfg: Config, key: str) -> bool:
    try:
        _get(cfg, key)
    except LookupError:
        return False
    return True


def _get(cfg: Config, key: str) -> Any:
    value: Any = cfg._cfg_dict
    for part in key.split('.'):
        if isinstance(value, (list, tuple)) and part.isdigit():
            value = value[int(part)]
        elif isinstance(value, dict):
            value = value[part]
        else:
            raise LookupError(part)
    return value


def _root(key: str) -> str:
    return key.split('.')[0]
