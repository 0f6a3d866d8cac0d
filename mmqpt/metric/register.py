"""Makes ``pyiqa.create_metric('qpt')`` work, and ``'qpt-<dataset>'`` for all further weights."""

from __future__ import annotations

import functools
import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
import warnings
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from mmqpt.metric.weights import DEFAULT, find_weights, list_weights, name_weights

_OURS = '_explains_qpt'


def register() -> None:
    """Register ``qpt`` and all other names of weights in pyiqa; idempotent.

    pyiqa calls it too, by an entry point, but only once it looks for an architecture that it does not know. Its
    ``create_metric`` refuses unknown names before that, so ``import mmqpt`` has to make them known in time.
    """
    from pyiqa.default_model_configs import DEFAULT_CONFIGS
    from pyiqa.utils.registry import ARCH_REGISTRY

    if DEFAULT not in DEFAULT_CONFIGS:
        ARCH_REGISTRY.register_lazy('MMQPT', 'mmqpt.metric.arch:MMQPT')
    try:
        further = list_weights()
    except FileNotFoundError as error:  # must not keep pyiqa from being imported
        warnings.warn(f'mmqpt: {error}', stacklevel=2)
        further = {}
    for name in (DEFAULT, *further):
        DEFAULT_CONFIGS.setdefault(
            name,
            {
                'metric_opts': {'type': 'MMQPT', 'weights': name},
                'metric_mode': 'NR',
                'lower_better': False,
                'score_range': '0, 1',
            },
        )
    _explain_unknown_names()


def _explain_unknown_names() -> None:
    """``pyiqa.create_metric`` says of ``qpt-...`` which weights there are, rather than that it is not implemented."""
    api = sys.modules.get('pyiqa.api_helpers')
    package = sys.modules.get('pyiqa')
    create = getattr(api, 'create_metric', None)
    if create is None or hasattr(create, _OURS):
        return

    @functools.wraps(create)
    def create_metric(metric_name: Any, *args: Any, **options: Any) -> Any:
        if isinstance(metric_name, str) and metric_name.startswith(f'{DEFAULT}-'):
            find_weights(metric_name)  # the error of a name without a file
            register()  # a file may have come since
        return create(metric_name, *args, **options)

    setattr(create_metric, _OURS, True)
    for module in (api, package):
        if getattr(module, 'create_metric', None) is create:
            module.create_metric = create_metric  # type: ignore[union-attr]


def register_weights(name: str, path: str | os.PathLike[str]) -> None:
    """Give a file a name, for ``mmqpt.score(weights=name)`` and ``pyiqa.create_metric(name)``.

    Args:
        name: ``qpt-<dataset>`` in small letters, digits, ``.``, ``_`` and ``-``; or ``qpt``, the default.
        path: safetensors file of kind ``metric``.

    Raises:
        InputError: another name.
        FileNotFoundError: no such file.
    """
    name_weights(name, path)
    register_with_pyiqa()


class _AfterImport(importlib.abc.MetaPathFinder):
    """Registers right after pyiqa is imported, so that ``import mmqpt`` need not import it (it takes seconds)."""

    def __init__(self) -> None:
        self.busy = False

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Finds pyiqa as usual, and has :func:`register` run after it."""
        if fullname != 'pyiqa' or self.busy:
            return None
        self.busy = True
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            self.busy = False
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                execute(module)
                register()

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def register_with_pyiqa() -> None:
    """Register now if pyiqa is imported, else right after it is."""
    if sys.modules.get('pyiqa') is not None:  # None keeps it from being imported
        register()
    elif not any(isinstance(finder, _AfterImport) for finder in sys.meta_path):
        sys.meta_path.insert(0, _AfterImport())
