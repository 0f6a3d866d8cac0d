"""Help, and the doors to the tools."""

import subprocess
import sys

import pytest

from mmqpt.cli import doors
from mmqpt.cli.main import cli

HEAVY = ['torch', 'numpy', 'cv2', 'PIL', 'pyiqa', 'mmengine', 'matplotlib', 'jinja2', 'tqdm']


def test_help_imports_nothing_heavy():
    code = (
        'import sys\nfrom mmqpt.cli.main import main\n'
        f'try:\n    main()\nfinally:\n    print([name for name in {HEAVY} if name in sys.modules])'
    )
    for args in (['--help'], ['score', '--help'], ['--version']):
        done = subprocess.run([sys.executable, '-c', code, *args], capture_output=True, text=True, check=True)
        assert done.stdout.endswith('\n[]\n')


@pytest.mark.parametrize('command', ['', 'score', 'map', 'report', *doors.DOORS])
def test_every_help_shows_an_example(mmqpt, command, capfd):
    result = mmqpt(*[command] * bool(command), '--help')
    text = result.stdout
    assert result.exit_code == 0
    assert 'Example' in text
    assert f'mmqpt {command}'.strip() in text
    if command in doors.DOORS:
        assert f'usage: mmqpt {command}' in text  # by the tool
        assert sys.argv[0] != f'mmqpt {command}'


def test_without_a_command_it_shows_its_help(mmqpt):
    result = mmqpt()
    assert result.exit_code == 2
    assert 'score' in result.output
    assert set(cli.commands) == {'score', 'map', 'report', *doors.DOORS}


def test_tools_get_their_options_and_end_with_their_code(mmqpt, photo_folder, tmp_path):
    photo = sorted(photo_folder.iterdir())[0]
    result = mmqpt('browse', photo, '--operators', 'jpeg', '--recipes', 1, '--out', 'sheet', '--side', 64)
    assert result.exit_code == 0, result.output
    assert (tmp_path / 'sheet' / 'index.html').is_file()
    result = mmqpt('export', 'none.pth', 'out.safetensors', '--to', 'timm')
    assert result.exit_code == 2
    assert 'none.pth' in result.stderr
    result = mmqpt('pretrain', '--no-such-option')
    assert result.exit_code == 2
    assert 'usage: mmqpt pretrain' in result.stderr


@pytest.mark.parametrize('text', ['configs/qpt/{}.py', 'qpt/{}.py', '{}.py', '{}'])
def test_shipped_configs_are_found_by_name(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    name = 'qpt_resnet18_1xb32-coslr_folder'
    given = text.format(name)
    found = doors.find_config(given)
    assert found.endswith(f'/configs/qpt/{name}.py')
    (tmp_path / given).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / given).write_text('')
    assert doors.find_config(given) == given  # one's own goes first


@pytest.mark.parametrize('arg', ['--amp', 'none', 'x=qpt_resnet18_1xb32-coslr_folder', 'default_runtime', '../configs'])
def test_other_arguments_stay(arg):
    assert doors.find_config(arg) == arg


@pytest.mark.parametrize(
    ('missing', 'command', 'extra'),
    [
        ('mmengine', 'pretrain', 'pretrain'),
        ('jinja2', 'evaluate', 'evaluate'),
        ('mmpretrain.registry', 'export', 'pretrain'),
    ],
)
def test_a_missing_package_is_one_sentence(mmqpt, monkeypatch, tmp_path, missing, command, extra):
    (tmp_path / doors.DOORS[command][0]).write_text(f"raise ModuleNotFoundError('no', name={missing!r})")
    monkeypatch.setattr(doors, '_shipped', lambda name: tmp_path)
    result = mmqpt(command)
    assert result.exit_code == 2
    root = missing.split('.')[0]
    assert result.stderr == (
        f"error: mmqpt {command} needs {root}, which is not installed: pip install 'mmqpt[{extra}]'\n"
    )


def test_a_bug_in_a_tool_is_not_hidden(mmqpt, monkeypatch, tmp_path):
    (tmp_path / 'test.py').write_text('import mmqpt.no_such_module')
    monkeypatch.setattr(doors, '_shipped', lambda name: tmp_path)
    with pytest.raises(ModuleNotFoundError, match='no_such_module'):
        mmqpt('test')
    (tmp_path / 'test.py').unlink()
    assert 'not installed here' in mmqpt('test').stderr
