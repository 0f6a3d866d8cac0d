"""``custom_imports`` of a config: what a user's config lists is imported after this package's parts, not instead."""

from __future__ import annotations

from mmengine.config import Config
from mmengine.utils import import_modules_from_strings

from mmqpt.core.errors import InputError
from mmqpt.core.imports import import_named

COMPONENTS = 'mmqpt.components'


def import_components(cfg: Config) -> None:
    """Put :mod:`mmqpt.components` first in the config's ``custom_imports``, and import all of them.

    MMEngine replaces a list of ``_base_`` by that of the config, so that ``custom_imports = dict(imports=['mine'])``
    alone would leave out this package.

    Raises:
        InputError: ``custom_imports`` has another form, or a module that it names is not there.
    """
    given = cfg.get('custom_imports') or {}
    names = given.get('imports') or [] if isinstance(given, dict) else None
    if isinstance(names, str):
        names = [names]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InputError(f"custom_imports must be as in dict(imports=['my_module']), got {given!r}")
    names = [COMPONENTS, *(name for name in names if name != COMPONENTS)]
    cfg.custom_imports = {'allow_failed_imports': False, **given, 'imports': names}
    if cfg.custom_imports.allow_failed_imports:
        import_modules_from_strings(names, allow_failed_imports=True)  # warns
        return
    for name in names:
        import_named(name)
