"""Makes ``pyiqa.create_metric('qpt')`` work."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from types import ModuleType

_CONFIG = {'metric_opts': {'type': 'MMQPT'}, 'metric_mode': 'NR', 'lower_better': False, 'score_range': '0, 1'}


def register() -> None:
    """Register ``qpt`` in pyiqa. Safe to call more than once; pyiqa calls it too, through an entry point."""
    from pyiqa.default_model_configs import DEFAULT_CONFIGS
    from pyiqa.utils.registry import ARCH_REGISTRY

    if 'qpt' not in DEFAULT_CONFIGS:
        DEFAULT_CONFIGS['qpt'] = dict(_CONFIG)
        ARCH_REGISTRY.register_lazy('MMQPT', 'mmqpt.metric.arch:MMQPT')


class _AfterImport(importlib.abc.MetaPathFinder):
    """Registers once pyiqa has been imported, so that ``import mmqpt`` need not import it (pyiqa takes seconds)."""

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
    if 'pyiqa' in sys.modules:
        register()
    elif not any(isinstance(finder, _AfterImport) for finder in sys.meta_path):
        sys.meta_path.insert(0, _AfterImport())
