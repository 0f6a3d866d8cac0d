"""Reading and writing configs so that a value stays a value, whatever characters it has.

MMEngine pastes environment variables, and the name of the config's folder, into the text of a config before it is run:
a folder called ``O'Brien`` ends the string that it is put into, and ``C:\\new`` gets a line break. Here both go in as
parts of literals.
"""

from __future__ import annotations

import ast
import io
import keyword
import math
import os
import re
import tempfile
import threading
import tokenize
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmqpt.core.errors import InputError, first_line

_VARIABLE = re.compile(r'\{\{[\'"]?\s*\$(\w+)\s*:\s*(\S*?)\s*[\'"]?\}\}')
"""MMEngine's ``{{$NAME:default}}``; quotes inside the braces belong to it."""

_PREDEFINED = re.compile(r'\{\{\s*(fileDirname|fileBasename|fileBasenameNoExtension|fileExtname)\s*\}\}')
_PLAIN = re.compile(r'[\w ./,:@=+~-]*')  # needs no quotes in YAML and JSON
_lock = threading.RLock()


class SafeConfig(Config):
    """MMEngine's config, whose text can be read back whatever its keys and values hold."""

    @property
    def pretty_text(self) -> str:
        """The config as Python code."""
        plain = Config(_writable(self.to_dict()), format_python_code=self._format_python_code)
        return plain.pretty_text.replace('{{', '{\\x7b')  # in strings only: a value that looks like a variable


def read_config(path: str | os.PathLike[str]) -> SafeConfig:
    """Read a config file; modules of its ``custom_imports`` are not imported yet.

    Raises:
        FileNotFoundError: no such config, or ``_base_``.
        InputError: its text is no config, an environment variable that it needs is missing, or one has a value that
            can't stand where the config puts it.
    """
    name = os.fspath(path)
    if not os.path.isfile(name):
        raise FileNotFoundError(f'no such config: {name}')
    try:
        with _variables():
            found = Config.fromfile(name, import_custom_modules=False)
    except (InputError, OSError):
        raise
    except (SyntaxError, UnicodeDecodeError) as error:
        shown = error.__context__ if isinstance(error.__context__, SyntaxError) else error  # MMEngine's names a copy
        where = f', line {shown.lineno}' if isinstance(shown, SyntaxError) and shown.lineno else ''
        raise InputError(f'{name}{where}: not a config ({getattr(shown, "msg", shown)})') from error
    except Exception as error:
        if name.endswith('.py'):
            raise  # it is code, and its traceback says where it failed
        raise InputError(f'{name}: not a config ({first_line(error)})') from error
    return SafeConfig(
        found._cfg_dict, cfg_text=found._text, filename=found._filename, env_variables=found._env_variables
    )


def config_from_text(text: str) -> SafeConfig:
    """The config of Python code, as :attr:`SafeConfig.pretty_text` gives it; errors as of :func:`read_config`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'config.py'
        path.write_text(text, encoding='utf-8')
        return read_config(path)


def put_values(text: str, find: re.Pattern[str], value_of: Callable[[re.Match[str]], str | None], name: str) -> str:
    """Put values into the text of Python code where a pattern is found, as parts of literals.

    Args:
        text: the code.
        find: pattern of the places.
        value_of: the value for a place; None leaves it as it is.
        name: what to call the text in an error.

    Returns:
        Code in which a place inside a string stands for exactly the characters of its value, and one outside of strings
        for the Python value that it writes, or for several with commas between them. Comments stay as they are.

    Raises:
        InputError: a value outside of strings is none of Python's.
    """
    marks: dict[str, tuple[str, str]] = {}

    def mark(match: re.Match[str]) -> str:
        value = value_of(match)
        if value is None:
            return match[0]
        key = f'_mmqpt_{os.urandom(8).hex()}_'
        marks[key] = match[0], value
        return key

    marked = find.sub(mark, text)
    if not marks:
        return marked
    places = _places(marked, marks)
    for key, (original, value) in marks.items():
        kind, token = places.get(key, ('comment', ''))  # code that can't be split is refused by whoever runs it
        if kind == 'string' and 'f' in _prefix(token).lower():
            quote = token[len(_prefix(token)) :][:3] if token.endswith(('"""', "'''")) else token[-1]
            marked = marked.replace(key, f'{quote} {_literal(value)} {_prefix(token)}{quote}')
        elif kind == 'string' and token in marked:  # also the last one in it
            whole = ast.literal_eval(token)
            for inner, (_, part) in marks.items():
                is_bytes = isinstance(whole, bytes)
                whole = whole.replace(inner.encode(), os.fsencode(part)) if is_bytes else whole.replace(inner, part)
            marked = marked.replace(token, _literal(whole))
        elif kind == 'code':
            marked = marked.replace(key, _python_value(value, original, name))
        else:
            marked = marked.replace(key, original)
    return marked


def _places(code: str, words: Collection[str]) -> dict[str, tuple[str, str]]:
    """Where each of some words stands: in a ``comment``, a ``string`` or ``code``; and the string, or how it begins."""
    found: dict[str, tuple[str, str]] = {}
    opened: list[str] = []  # f-strings are several tokens from Python 3.12 on
    try:
        for token in tokenize.generate_tokens(io.StringIO(code).readline):
            kind = tokenize.tok_name[token.type]
            if kind == 'FSTRING_START':
                opened.append(token.string)
            elif kind == 'FSTRING_END':
                opened.pop()
            for word in words:
                if word in token.string:
                    is_string = kind in ('STRING', 'FSTRING_MIDDLE')
                    place = 'string' if is_string else 'comment' if kind == 'COMMENT' else 'code'
                    found[word] = place, opened[-1] if kind == 'FSTRING_MIDDLE' else token.string
    except (tokenize.TokenError, SyntaxError):
        pass
    return found


def _prefix(string: str) -> str:
    """``rb`` of ``rb'text'``."""
    return re.match('[A-Za-z]*', string)[0]  # type: ignore[index]


def _literal(value: str | bytes) -> str:
    """A Python literal in which nothing looks like a variable of a config."""
    return repr(value).replace('{', '\\x7b').replace('}', '\\x7d')


def _python_value(value: str, place: str, name: str) -> str:
    try:
        found = ast.literal_eval(f'[{value}]')
        if isinstance(found, list) and found:
            return ', '.join(_code(one) for one in found)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        pass
    raise InputError(f'{name}: {place} stands for a Python value there (a number, True, None...), got {value!r}')


def _code(value: Any) -> str:
    """Python code of a plain value: ``repr``, but for infinity, and for braces in strings.

    Raises:
        ValueError: a complex number.
    """
    if isinstance(value, complex):
        raise ValueError(value)
    if isinstance(value, float) and not math.isfinite(value):
        return f"float('{value}')"
    if isinstance(value, (str, bytes)):
        return _literal(value)
    if isinstance(value, dict):
        return '{' + ', '.join(f'{_code(key)}: {_code(inner)}' for key, inner in value.items()) + '}'
    if isinstance(value, set):
        return f'set([{", ".join(map(_code, value))}])'
    if isinstance(value, (list, tuple)):
        inner = ', '.join(map(_code, value))
        return f'[{inner}]' if isinstance(value, list) else f'({inner}{"," if len(value) == 1 else ""})'
    return repr(value)


@contextmanager
def _variables() -> Iterator[None]:
    """While MMEngine reads configs, it puts values into them by :func:`put_values`."""
    own = _Values()
    with _lock:
        before = Config.__dict__['_substitute_predefined_vars'], Config.__dict__['_substitute_env_variables']
        Config._substitute_predefined_vars, Config._substitute_env_variables = own.put_predefined, own.put_environment
        try:
            yield
        finally:
            Config._substitute_predefined_vars, Config._substitute_env_variables = before


class _Values:
    """What MMEngine calls for each config and each ``_base_``: first with its file, then with the copy that it runs."""

    def __init__(self) -> None:
        self.name = ''

    def put_predefined(self, filename: str, out: str) -> None:
        """Names of the config file itself."""
        self.name = filename
        folder, base = os.path.split(filename)
        stem, suffix = os.path.splitext(base)
        names = ('fileDirname', 'fileBasename', 'fileBasenameNoExtension', 'fileExtname')
        values = dict(zip(names, (folder.replace('\\', '/'), base, stem, suffix), strict=True))
        text = Path(filename).read_text(encoding='utf-8')
        Path(out).write_text(self._put(text, _PREDEFINED, lambda match: values[match[1]]), encoding='utf-8')

    def put_environment(self, filename: str, out: str) -> dict[str, str]:
        """Environment variables; gives those that were used."""
        used: dict[str, str] = {}

        def value_of(match: re.Match[str]) -> str | None:
            name = match[1]
            if name not in os.environ:
                if not match[2]:
                    raise InputError(f'{self.name} needs the environment variable {name}, which is not set')
                return None
            used[name] = os.environ[name]
            if not used[name].strip():
                raise InputError(f'the environment variable {name} is empty, but {self.name} needs a value')
            return used[name]

        text = self._put(Path(filename).read_text(encoding='utf-8'), _VARIABLE, value_of)
        text = _VARIABLE.sub(lambda match: match[2], text)  # the defaults are code already
        Path(out).write_text(text, encoding='utf-8')
        return used

    def _put(self, text: str, find: re.Pattern[str], value_of: Callable[[re.Match[str]], str | None]) -> str:
        if self.name.endswith('.py'):
            return put_values(text, find, value_of, self.name)
        return find.sub(lambda match: _without_quotes(value_of(match), match[0], self.name), text)


def _without_quotes(value: str | None, place: str, name: str) -> str:
    if value is not None and not _PLAIN.fullmatch(value):
        raise InputError(
            f'{name}: {place} is {value!r}, which can only be put into a config that is Python (.py), for its quotes'
        )
    return place if value is None else value


def _writable(value: Any) -> Any:
    """What MMEngine writes as code that means the same: it quotes keys without a look at them, and writes numbers as
    ``str`` does."""
    if isinstance(value, dict):
        return {_writable_key(key): _writable(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_writable(inner) for inner in value)
    if isinstance(value, float) and not math.isfinite(value):
        return _Code(f"float('{value}')")
    return value


def _writable_key(key: Any) -> Any:
    if not isinstance(key, str) or (key.isidentifier() and not keyword.iskeyword(key)):
        return key
    if keyword.iskeyword(key):  # a name to MMEngine
        return f'\\x{ord(key[0]):02x}{key[1:]}'
    return repr(f'"{key}')[2:-1]  # in single quotes, since it holds a double one


class _Code:
    """Is written as it is."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text
