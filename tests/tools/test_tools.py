"""OpenMMLab's names for the commands: they work as scripts, also through torchrun; one sentence for each mistake."""

import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parent.parent.parent
PRETRAIN = 'configs/qpt/qpt_resnet18_1xb32-coslr_folder.py'
FINETUNE = 'configs/finetune/finetune_efficientnet-lite0_1xb16-coslr_csv.py'
SMALL = [
    'model.backbone._delete_=True', 'model.backbone.type=TIMMBackbone', 'model.backbone.model_name=test_resnet',
    'model.neck.hid_channels=16', 'train_dataloader.batch_size=3', 'train_dataloader.num_workers=0',
    'train_dataloader.persistent_workers=False', 'train_cfg.max_epochs=1',
    'train_dataloader.dataset.pipeline.1.patch_size=32', 'train_dataloader.dataset.pipeline.1.window=96',
    'model.input_size=32',
]  # fmt: skip


def tool(*args, **environment):
    """Run a tool in a folder of its own, so that nothing depends on the checkout being the working folder."""
    command = [sys.executable, str(ROOT / 'tools' / args[0])]
    command += [str(ROOT / arg) if str(arg).startswith('configs/') else str(arg) for arg in args[1:]]
    environment = {**os.environ, 'OMP_NUM_THREADS': '1', **{key: str(value) for key, value in environment.items()}}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_train_test_and_export_as_in_the_readme(photo_folder, rated_csv, tmp_path, finetuned_checkpoint, tiny_finetune):
    done = tool('train.py', PRETRAIN, '--work-dir', tmp_path / 'run', '--cfg-options', *SMALL, DATA_ROOT=photo_folder)
    assert done.returncode == 0, done.stderr[-2000:]
    assert 'acc_degradation' in done.stdout + done.stderr
    again = tool(
        'train.py', PRETRAIN, '--work-dir', tmp_path / 'run', '--resume',
        '--cfg-options', *SMALL, 'train_cfg.max_epochs=2', DATA_ROOT=photo_folder,
    )  # fmt: skip
    assert again.returncode == 0, again.stderr[-2000:]
    assert 'resumed epoch: 1' in again.stdout + again.stderr
    assert (tmp_path / 'run' / 'epoch_2.pth').is_file()

    config = tmp_path / 'finetune.py'
    tiny_finetune(tmp_path / 'finetune').dump(config)
    done = tool('test.py', config, finetuned_checkpoint, '--out', tmp_path / 'metrics.json')
    assert done.returncode == 0, done.stderr[-2000:]
    metrics = json.loads((tmp_path / 'metrics.json').read_text())
    assert {'iqa/SRCC', 'iqa/PLCC', 'iqa/KRCC', 'iqa/RMSE'} == set(metrics)

    done = tool('export.py', finetuned_checkpoint, tmp_path / 'qpt.safetensors')
    assert done.returncode == 0, done.stderr[-2000:]
    assert 'metric of ' in done.stdout


def test_two_cpu_processes_through_torchrun(photo_folder, tmp_path):
    command = ['bash', str(ROOT / 'tools' / 'dist_train.sh'), str(ROOT / PRETRAIN), '2', '--work-dir', str(tmp_path)]
    command += ['--cfg-options', *SMALL, 'default_hooks.logger.interval=1']
    environment = {**os.environ, 'PATH': f'{Path(sys.executable).parent}:{os.environ["PATH"]}', 'OMP_NUM_THREADS': '1'}
    environment |= {'DATA_ROOT': str(photo_folder), 'PORT': '29611'}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    state = torch.load(tmp_path / 'epoch_1.pth', weights_only=False)['state_dict']
    assert state['queue.filled'] == 48  # both ranks' keys of one step: 2 x 3 photos x 4 versions x 2 patches


@pytest.mark.parametrize('path', sorted((ROOT / 'tools').rglob('*.py')), ids=lambda path: path.stem)
def test_every_tool_is_a_command(path, run_script):
    """Under its own name in the usage."""
    done = run_script(path.relative_to(ROOT), '--help')
    assert done.returncode == 0
    assert done.out.startswith(f'usage: {path.name} ')
    assert len(path.read_text(encoding='utf-8').splitlines()) < 10


def test_print_config_shows_the_override():
    done = tool('print_config.py', PRETRAIN, '--cfg-options', 'model.queue_length=77')
    assert done.returncode == 0
    assert 'queue_length=77' in done.stdout


@pytest.mark.parametrize(
    ('args', 'environment', 'message'),
    [
        (['train.py', 'configs/none.py'], {}, r'no such config: .*none\.py'),
        (['train.py', PRETRAIN], {'DATA_ROOT': 'nowhere'}, 'no such folder: nowhere'),
        (['train.py', PRETRAIN], {'DATA_ROOT': '{empty}'}, 'no photos in this folder'),
        (
            ['train.py', PRETRAIN, '--cfg-options', *SMALL, 'train_dataloader.dataset.pipeline.1.patch_size=400',
             'train_dataloader.dataset.pipeline.1.window=None'],
            {'DATA_ROOT': '{photos}'},
            'patch_size is 400 px, but the largest of 6 photos has a short side of 256 px',
        ),
        (
            ['train.py', PRETRAIN, '--cfg-options', *SMALL,
             "train_dataloader.dataset.pipeline.1.space.operators=['melt','jpeg']"],
            {'DATA_ROOT': '{photos}'},
            "unknown degradation operator 'melt'.*; there are: rotate, ",
        ),
        (['train.py', FINETUNE], {'DATA_ROOT': '{photos}', 'ANN_FILE': 'none.csv'}, 'no such CSV of scores: none'),
        (['train.py', FINETUNE], {'DATA_ROOT': '{photos}', 'ANN_FILE': '{nan}'}, "2: MOS of 'coffee_0.jpg' is nan"),
        (
            ['train.py', FINETUNE],
            {'DATA_ROOT': '{empty}', 'ANN_FILE': '{rated}', 'MOS_RANGE': '1,5'},
            r'\d of \d photos are not in .*empty, the first: ',
        ),
        (['train.py', PRETRAIN, '--amp'], {}, '--amp needs a GPU'),
        (['test.py', FINETUNE, '{pretrained}'], {}, 'epoch_2.pth: not a fine-tuned checkpoint of mmqpt'),
        (['export.py', '{text}', 'x.safetensors'], {}, r'text\.pth: not a checkpoint that can be loaded safely'),
    ],
    ids=lambda value: None if not isinstance(value, str) else re.sub(r'\W+', ' ', value)[:30],
)  # fmt: skip
def test_a_mistake_gets_one_sentence(
    args, environment, message, photo_folder, rated_csv, pretrained_checkpoint, tmp_path, monkeypatch, capsys
):
    if '--amp' in args and torch.cuda.is_available():
        pytest.skip('has a GPU')
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'nan.csv').write_text('name,mos,split\ncoffee_0.jpg,nan,train\n')
    (tmp_path / 'text.pth').write_text('no checkpoint')
    names = {
        '{empty}': tmp_path / 'empty', '{photos}': photo_folder, '{rated}': rated_csv, '{nan}': tmp_path / 'nan.csv',
        '{pretrained}': pretrained_checkpoint, '{text}': tmp_path / 'text.pth',
    }  # fmt: skip
    args = [names.get(arg, arg) if isinstance(arg, str) else arg for arg in args]
    if args[0] == 'train.py':
        args[2:2] = ['--work-dir', tmp_path / 'run']
    args = [str(ROOT / arg) if str(arg).startswith('configs/') else str(arg) for arg in args]
    for key, value in environment.items():
        monkeypatch.setenv(key, str(names.get(value, value)))
    monkeypatch.setattr(sys, 'argv', args)
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(ROOT / 'tools' / args[0]), run_name='__main__')
    assert stop.value.code == 2
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith('error: ')
    assert re.search(message, last), last


def test_no_traceback_and_exit_code_2_in_a_process_of_its_own():
    done = tool('train.py', 'configs/none.py')
    assert done.returncode == 2
    assert 'Traceback' not in done.stderr
    assert done.stderr.strip().splitlines()[-1].startswith('error: no such config: ')
