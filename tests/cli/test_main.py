"""Help, the table of commands, and how they end."""

import errno
import subprocess
import sys

import pytest

from mmqpt.cli import errors, evaluate, print_config
from mmqpt.cli.commands import COMMANDS, GROUPS
from mmqpt.cli.main import find_command
from mmqpt.core.errors import InputError, PhotoError
from mmqpt.core.extras import EXTRAS
from mmqpt.engine.stopping import RunStopped

OPENMMLAB = ['mmengine', 'mmcv', 'mmpretrain', 'matplotlib', 'sklearn']
HEAVY = ['torch', 'numpy', 'cv2', 'PIL', 'pyiqa', 'jinja2', 'tqdm', *OPENMMLAB]
NEED_OPENCV = ['browse', 'find-duplicates', 'level-order', 'model-card']
"""Commands that can't show their help without OpenCV."""

TRAINING = ['pretrain', 'finetune', 'test', 'evaluate', 'export', 'print-config', 'pretext-check', 'profile']


def imported(names, *args):
    """Which of these modules a command in a process of its own has imported when it ends."""
    code = (
        'import sys\nfrom mmqpt.cli.main import main\n'
        f'try:\n    main()\nfinally:\n    print([name for name in {names} if name in sys.modules])'
    )
    done = subprocess.run([sys.executable, '-c', code, *map(str, args)], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize('args', [['--help'], ['score', '--help'], ['--version'], *([name, '-h'] for name in TRAINING)])
def test_help_imports_nothing_heavy(args):
    assert imported(HEAVY, *args) == '[]'


def test_scoring_imports_nothing_of_openmmlab(metric_weights, photo_folder):
    photo = sorted(photo_folder.iterdir())[0]
    assert imported(['torch', *OPENMMLAB], 'score', photo, '--weights', metric_weights) == "['torch']"


def test_help_shows_every_command_and_an_example_of_each_group(mmqpt):
    text = mmqpt('--help').stdout
    for title, example, commands in GROUPS:
        assert f'{title}:\n' in text
        assert f'Example: {example}\n' in text
        for name, entry in commands.items():
            assert f'  {name} ' in text
            assert entry.help in text


def test_help_of_a_plain_installation():
    """Without the packages of any extra; a command that can't show its help without one names the extra."""
    missing = [*EXTRAS, 'openpyxl', 'xlrd', 'webdataset', 'datasets', 'lmdb', 'pyarrow']
    code = (
        f'import sys\nsys.modules.update(dict.fromkeys({missing}))\n'
        'from mmqpt.cli.main import COMMANDS, cli\n'
        'for name in COMMANDS:\n'
        '    try:\n        cli.main([name, "--help"])\n'
        '    except SystemExit as stop:\n        print(name, "ended with", stop.code)\n'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    ended = dict(line.split(' ended with ') for line in done.stdout.splitlines() if ' ended with ' in line)
    assert {name: code for name, code in ended.items() if code != '0'} == dict.fromkeys(NEED_OPENCV, '2')
    assert set(ended) == set(COMMANDS)
    for name in NEED_OPENCV:
        assert f" {name} needs cv2, which is not installed: pip install 'mmqpt[degradations]'" in done.stderr


@pytest.mark.parametrize('command', COMMANDS)
def test_every_help_shows_an_example(mmqpt, command):
    result = mmqpt(command, '--help')
    text = result.stdout
    assert result.exit_code == 0
    assert 'Example' in text
    assert f'  mmqpt {command} ' in text or f'photos mmqpt {command} ' in text or f'.csv mmqpt {command} ' in text
    assert f'usage: mmqpt {command}' in text.replace('Usage', 'usage')


def test_without_a_command_it_shows_its_help(mmqpt):
    result = mmqpt()
    assert result.exit_code == 2
    assert 'score' in result.output


def test_an_unknown_command_is_one_sentence(mmqpt):
    result = mmqpt('scores')
    assert result.exit_code == 2
    assert result.stderr.startswith("error: No such command 'scores'.")


def test_commands_get_their_options(mmqpt, photo_folder, tmp_path):
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
    assert result.stderr.splitlines()[-1] == 'error: the following arguments are required: config'


def test_cfg_options_are_put_in(mmqpt):
    options = ('model.queue_length=77', 'patch_size=64', '--cfg-options', 'model.data_preprocessor.mean=1,2,3.5')
    result = mmqpt('print-config', 'qpt_resnet18_1xb32-coslr_folder', '--cfg-options', *options)
    assert result.exit_code == 0, result.output
    found = {}
    exec(result.stdout, found)
    assert (found['model']['queue_length'], found['model']['data_preprocessor']) == (77, {'mean': [1, 2, 3.5]})
    assert found['train_dataloader']['dataset']['pipeline'][1]['patch_size'] == 64


@pytest.mark.parametrize(
    ('option', 'said'),
    [
        (
            'model.quee_length=7',
            "error: --cfg-options model.quee_length: QPT (model) takes no 'quee_length'; did you mean",
        ),
        ('model.queue_length', "error: --cfg-options takes KEY=VALUE, got 'model.queue_length'"),
        ('model.queue_length=[1', "error: --cfg-options model.queue_length: brackets that do not close in '[1'"),
    ],
)
def test_cfg_options_that_can_not_be(mmqpt, option, said):
    result = mmqpt('print-config', 'qpt_resnet18_1xb32-coslr_folder', '--cfg-options', option)
    assert result.exit_code == 2
    assert said in result.stderr


@pytest.mark.parametrize(
    ('error', 'code', 'said'),
    [
        (InputError('x must be > 0,\n  got 0'), 2, 'error: x must be > 0, got 0'),
        (OSError(errno.ENOSPC, 'no space', 'a'), 2, "error: [Errno 28] no space: 'a'"),
        (KeyError('X is not in the model registry. Please check it'), 2, 'error: X is not in the model registry.'),
        (RunStopped('stopped by SIGTERM'), 75, 'stopped by SIGTERM; --resume goes on'),
        (KeyboardInterrupt(), 130, 'stopped'),
        (KeyboardInterrupt('stopped; all is kept'), 130, 'stopped; all is kept'),
        (
            PhotoError('Caught PhotoError in worker 0.\nOriginal Traceback (most recent call last):\n  File "x"\n'
                       'mmqpt.core.errors.PhotoError: a.jpg: damaged'),
            2,
            'error: a.jpg: damaged',
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)  # fmt: skip
def test_every_error_has_a_code_and_a_sentence(run_command, monkeypatch, error, code, said):
    def fail(args):
        raise error

    monkeypatch.setattr(print_config, 'run', fail)
    done = run_command('print-config', 'x')
    assert (done.returncode, done.err.strip()) == (code, said)


@pytest.mark.parametrize('error', [KeyError('x'), ValueError('x'), EOFError('x'), ModuleNotFoundError('x', name='x')])
def test_a_bug_keeps_its_traceback(monkeypatch, error):
    def fail(args):
        raise error

    monkeypatch.setattr(print_config, 'run', fail)
    with pytest.raises(type(error)):
        find_command('print-config').main(['x'])


@pytest.mark.parametrize('end', [None, 0, 1])
def test_what_a_script_returns_is_its_code(end):
    with pytest.raises(SystemExit) as stop:
        errors.run(lambda: end)
    assert stop.value.code == (end or 0)


@pytest.mark.parametrize(
    ('missing', 'extra'),
    [('mmengine', 'pretrain'), ('jinja2', 'evaluate'), ('mmpretrain.registry', 'pretrain'), ('onnx', 'onnx')],
)
def test_a_missing_package_is_one_sentence(mmqpt, monkeypatch, missing, extra):
    def fail(args):
        raise ModuleNotFoundError('no', name=missing)

    monkeypatch.setattr(evaluate, 'run', fail)
    result = mmqpt('evaluate', 'report', 'x', '--out', 'y')
    assert result.exit_code == 2
    root = missing.split('.')[0]
    assert result.stderr == (
        f"error: mmqpt evaluate needs {root}, which is not installed: pip install 'mmqpt[{extra}]'\n"
    )
