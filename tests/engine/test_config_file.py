"""Configs: a value stays a value, in the environment, in the name of a folder, and in the text that is written."""

import os
import sys

import pytest
from mmengine.config import Config

from mmqpt.core.errors import InputError
from mmqpt.engine.config_file import SafeConfig, config_from_text, read_config

HOOKS = ('_substitute_predefined_vars', '_substitute_env_variables')
VALUES = [
    "O'Brien", '"', 'C:\\new\\x41\\', '{{', '}}', '{{$OTHER:1}}', '{{ fileDirname }}', '{{ _base_.a }}', '\\1\\g<0>',
    'two\nlines', "'''", '%s {x} {0}', '\x1b[31m', "'); import os; os.abort() #", 'a # b', ' spaces ', 'grüße',
    pytest.param(os.fsdecode(b'\xff\xfe'), marks=pytest.mark.skipif(os.name == 'nt', reason='names are Unicode there')),
]  # fmt: skip
CONFIG = '''"""Of {{$VALUE:x}}."""
# {{$VALUE:x}} and '{{$VALUE:x}}'
plain = '{{$VALUE:x}}/y'
double = "{{ $VALUE : x }}"
quoted = '{{"$VALUE:x"}}'
raw = r'a\\{{$VALUE:x}}\\b'
formatted = f'{1}{{$VALUE:x}}'
triple = """{{$VALUE:x}}
{{$OTHER:y}}"""
held = b'{{$VALUE:x}}'
inner = dict(a=['{{$VALUE:x}}' '{{$OTHER:y}}'])
default = '{{$NOT_SET:a/(b)+[c]}}'
'''


@pytest.fixture
def write(tmp_path):
    def make(text, folder='c', name='config.py'):
        path = tmp_path / folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding='utf-8')
        return path

    return make


@pytest.mark.parametrize('value', VALUES)
def test_a_variable_is_what_it_is(value, write, monkeypatch):
    monkeypatch.setenv('VALUE', value)
    monkeypatch.setenv('OTHER', 'o"o')
    cfg = read_config(write(CONFIG))
    assert cfg.plain == value + '/y'
    assert cfg.double == cfg.quoted == value
    assert cfg.raw == f'a\\{value}\\b'
    assert cfg.formatted == '1' + value
    assert cfg.triple == f'{value}\no"o'
    assert cfg.held == os.fsencode(value)
    assert cfg.inner.a == [value + 'o"o']
    assert cfg.default == 'a/(b)+[c]'
    assert cfg.env_variables == {'VALUE': value, 'OTHER': 'o"o'}
    assert config_from_text(cfg.pretty_text).to_dict() == cfg.to_dict()


@pytest.mark.skipif(sys.platform == 'win32', reason='no such names there')
@pytest.mark.parametrize('name', ["O'Brien", 'a"b', 'back\\slash', '{{fileBasename}}', '{{$HOME:x}}', '\\g<0>'])
def test_so_is_the_name_of_its_folder(name, write):
    path = write("a = '{{ fileDirname }}/w'\nb = '{{fileBasenameNoExtension}}{{fileExtname}}'\n", folder=name)
    cfg = read_config(path)
    assert cfg.a == str(path.parent).replace('\\', '/') + '/w'
    assert cfg.b == 'config.py'


def test_variables_in_a_base(write, monkeypatch):
    monkeypatch.setenv('VALUE', "O'Brien {{_base_.b}}")
    write("a = '{{$VALUE:x}}'\nb = dict(c=1)\n", name='base.py')
    cfg = read_config(write("_base_ = 'base.py'\nd = '{{$VALUE:x}}'\ne = {{_base_.b}}\nf = _base_.a\n"))
    assert cfg.a == cfg.d == cfg.f == "O'Brien {{_base_.b}}"
    assert cfg.e == cfg.b == {'c': 1}


@pytest.mark.parametrize(
    ('value', 'wanted'),
    [
        ('1,5', [1, 5]),
        ('0', [0]),
        ('(1, 5)', [(1, 5)]),
        ("'{{'", ['{{']),
        ("{'a': ['{{x']}", [{'a': ['{{x']}]),
        ('1e999', [float('inf')]),
        ("(1,), {2}, {'a': -1e999}, b'{{'", [(1,), {2}, {'a': -float('inf')}, b'{{']),
    ],
)
def test_outside_of_strings_it_is_a_python_value(value, wanted, write, monkeypatch):
    monkeypatch.setenv('VALUE', value)
    assert read_config(write("a = [{{'$VALUE:0,1'}}]\n")).a == wanted
    monkeypatch.delenv('VALUE')
    assert read_config(write("a = [{{'$VALUE:0,1'}}]\n")).a == [0, 1]


@pytest.mark.parametrize(
    'value', ["O'Brien", '1],[2', ')', 'koniq', '1e999j', '__import__("os").abort()', '1\n', '[' * 500]
)
def test_and_nothing_else(value, write, monkeypatch):
    monkeypatch.setenv('VALUE', value)
    path = write("a = [{{'$VALUE:0,1'}}]\n")
    if value == '1\n':
        assert read_config(path).a == [1]
        return
    with pytest.raises(InputError, match=r'config\.py: .*VALUE:0,1.* stands for a Python value there'):
        read_config(path)


@pytest.mark.parametrize('value', [None, '', ' '])
def test_missing_and_empty_variables_are_named(value, write, monkeypatch):
    monkeypatch.delenv('VALUE', raising=False)
    if value is not None:
        monkeypatch.setenv('VALUE', value)
    with pytest.raises(InputError, match=r'environment variable VALUE.*|config\.py'):
        read_config(write("a = '{{$VALUE:}}'\n"))


def test_other_kinds_of_configs_take_plain_values_only(write, monkeypatch):
    json, yaml = '{"a": "{{$VALUE:x}}"}', 'a: {{$VALUE:x}}\n'
    monkeypatch.setenv('VALUE', '/data/my photos-1')
    assert read_config(write(json, name='c.json')).a == read_config(write(yaml, name='c.yaml')).a == '/data/my photos-1'
    monkeypatch.setenv('VALUE', 'x", "b": "y')
    for name, text in (('c.json', json), ('c.yaml', yaml)):
        with pytest.raises(InputError, match=rf'{name}: .*VALUE.* can only be put into a config that is Python'):
            read_config(write(text, name=name))


@pytest.mark.parametrize(
    ('name', 'text', 'message'),
    [
        ('c.py', 'a = 1\nb = (\n', r"c\.py, line 2: not a config \('\(' was never closed"),
        ('c.py', "a = '{{$VALUE:x}}\n", r'c\.py, line 1: not a config \(unterminated string'),
        ('c.py', 'a = 1\0', r'c\.py'),
        ('c.json', '[1]', r'c\.json: not a config'),
        ('c.json', '{', r'c\.json: not a config'),
        ('c.yaml', 'a: [', r'c\.yaml: not a config'),
    ],
)
def test_what_is_no_config(name, text, message, write, monkeypatch):
    monkeypatch.setenv('VALUE', 'v')
    with pytest.raises(InputError, match=message):
        read_config(write(text, name=name))


def test_other_errors_keep_their_place(write):
    with pytest.raises(FileNotFoundError, match='no such config'):
        read_config('nowhere.py')
    with pytest.raises(ZeroDivisionError):
        read_config(write('a = 1\nb = 1 / 0\n'))


def test_mmengine_is_as_it_was(write):
    before = [Config.__dict__[name] for name in HOOKS]
    read_config(write(CONFIG))
    assert [Config.__dict__[name] for name in HOOKS] == before
    with pytest.raises(InputError):
        read_config(write('a = (\n'))
    assert [Config.__dict__[name] for name in HOOKS] == before


def test_what_is_written_can_be_read_back():
    value = {
        'a': {"it's": 1, 'class': float('inf'), 'x y\n"\\': [-float('inf'), ('{{$HOME:x}}', {'{{ _base_.a }}': None})]},
        'b': {'lambda': {'c': 1}, 'd': []},
        'e': '{{{ fileDirname }}}',
    }
    assert config_from_text(SafeConfig(value).pretty_text).to_dict() == value


def test_plain_configs_are_written_as_mmengine_does():
    value = {'model': {'type': 'X', 'a': [1, 2.5, 'b'], 'c': {'d e': (None, True)}}, 'lr': 1e-3}
    assert SafeConfig(value).pretty_text == Config(value).pretty_text
