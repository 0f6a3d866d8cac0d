"""``custom_imports`` of a config: what a user's config lists is imported after this package's parts, not instead."""

from __future__ import annotations

from typing import Any

from mmengine.config import Config
from mmengine.utils import import_modules_from_strings

from mmqpt.core.errors import InputError

COMPONENTS = 'mmqpt.components'


def import_components(cfg: Config) -> None:
    """Put :mod:`mmqpt.components` first in the config's ``custom_imports``, and import all of them.

    MMEngine replaces a list of ``_base_`` by that of the config, so that ``custom_imports = dict(imports=['mine'])``
    alone would leave out this package.

    Raises:
        InputError: ``custom_imports`` has another form, or a module that it names is not there.
    """
    given: Any = cfg.get('custom_imports') or {}
    imports = given.get('imports') if hasattr(given, 'get') else None
    if isinstance(imports, str):
        imports = [imports]
    imports = list(imports or []) if hasattr(given, 'get') and isinstance(imports, (list, tuple, type(None))) else [None]
    if not all(isinstance(name, str) for name in imports):
        raise InputError(f"custom_imports must be as in dict(imports=['my_module']), got {given!r}")
    others = [name for name in imports if name != COMPONENTS]
    cfg.custom_imports = {'allow_failed_imports': False, **given, 'imports': [COMPONENTS, *others]}
    try:
        import_modules_from_strings(**cfg.custom_imports)
    except ImportError as error:
        raise InputError(str(error)) from error
