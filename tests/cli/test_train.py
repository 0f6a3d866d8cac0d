"""``mmqpt pretrain`` and ``mmqpt finetune``: what a run starts from."""

import argparse

import pytest
import torch
from mmengine.runner import Runner

from mmqpt.cli.train import _say_if_not_exportable, add_options, run
from mmqpt.core.errors import InputError
from mmqpt.models.iqa_regressor import IQARegressor


@pytest.fixture
def started(monkeypatch, tiny_finetune, tmp_path):
    """Runs the command on a tiny config, up to the runner; gives the config that it would run."""
    config = tmp_path / 'config.py'
    tiny_finetune(tmp_path / 'run').dump(config)

    def start(*options):
        seen = []
        fake = argparse.Namespace(train=lambda: None, model=torch.nn.Identity())
        monkeypatch.setattr(Runner, 'from_cfg', lambda cfg: seen.append(cfg) or fake)
        parser = argparse.ArgumentParser()
        add_options(parser)
        run(parser.parse_args([str(config), '--work-dir', str(tmp_path / 'run'), *options]))
        return seen[0]

    return start


def test_resume_without_a_checkpoint_keeps_load_from(started, capsys):
    cfg = started('--resume', '--cfg-options', 'load_from=weights.pth')
    assert (cfg.resume, cfg.load_from) == (False, 'weights.pth')
    assert 'no checkpoint to resume in' in capsys.readouterr().out


def test_resume_takes_the_newest_or_the_named_checkpoint(started, finetuned_checkpoint, tmp_path):
    (tmp_path / 'run').mkdir()
    (tmp_path / 'run' / 'epoch_1.pth').write_bytes(finetuned_checkpoint.read_bytes())
    cfg = started('--resume', '--cfg-options', 'load_from=weights.pth')
    assert (cfg.resume, cfg.load_from) == (True, str(tmp_path / 'run' / 'epoch_1.pth'))
    cfg = started('--resume', 'other.pth')
    assert (cfg.resume, cfg.load_from) == (True, 'other.pth')
    assert started('--overwrite').resume is False


def test_a_run_replaces_no_earlier_one_unasked(started, finetuned_checkpoint, tmp_path, capsys):
    folder = tmp_path / 'run'
    folder.mkdir()
    for name in ('epoch_7.pth', 'stopped_iter_3.pth', 'best_iqa_SRCC_epoch_2.pth', 'mine.pth', 'notes.txt'):
        (folder / name).write_bytes(finetuned_checkpoint.read_bytes())
    with pytest.raises(InputError, match=r'holds checkpoints of an earlier run, such as .* --resume .* --overwrite'):
        started()
    assert len(list(folder.iterdir())) == 5
    with pytest.raises(InputError, match='give one of them'):
        started('--overwrite', '--resume')
    assert started('--overwrite').resume is False
    assert sorted(path.name for path in folder.iterdir()) == ['mine.pth', 'notes.txt']
    assert '3 checkpoints of an earlier run removed' in capsys.readouterr().out
    started()


@pytest.mark.parametrize(
    ('backbone', 'said'),
    [
        ({'type': 'TIMMBackbone', 'model_name': 'test_resnet'}, ''),
        ({'type': 'MobileNetV3', 'arch': 'small_050'}, ''),
        ({'type': 'RegNet', 'arch': 'regnetx_400mf'}, ''),
        ({'type': 'ShuffleNetV2'}, 'what timm calls this backbone is not known'),
        ({'type': 'ResNet', 'depth': 18, 'strides': (1, 1, 2, 2)}, 'what timm calls this backbone is not known'),
        ({'type': 'MobileNetV3', 'arch': 'small', 'conv_cfg': None, 'norm_cfg': {'type': 'BN'}}, 'is not known'),
    ],
)
def test_a_backbone_that_can_not_be_exported_is_said_to_be_at_the_start(backbone, said, monkeypatch):
    told = []
    model = IQARegressor(backbone, input_size=32)
    monkeypatch.setattr('mmqpt.cli.train._warn', told.append)
    _say_if_not_exportable(model)
    assert bool(told) == bool(said)
    if said:
        assert 'its checkpoints can not be exported' in told[0]
        assert said in told[0]


@pytest.mark.skipif(torch.cuda.is_available(), reason='this machine has a GPU')
@pytest.mark.parametrize(
    ('options', 'named'),
    [
        (['--amp'], '--amp'),
        (['--cfg-options', 'optim_wrapper.type=AmpOptimWrapper'], "optim_wrapper.type='AmpOptimWrapper'"),
    ],
)
def test_mixed_precision_needs_a_gpu(started, options, named):
    with pytest.raises(InputError, match=f'^{named} needs a GPU; this machine has none$'):
        started(*options)


def test_a_base_learning_rate_needs_its_switch(started):
    with pytest.raises(InputError, match=r'base_batch_size: has no effect here; it needs --auto-scale-lr'):
        started('--cfg-options', 'auto_scale_lr.base_batch_size=8')
    with pytest.raises(InputError, match=r'train_cfg\.max_epochs: has no effect here; --epochs sets it'):
        started('--epochs', '3', '--cfg-options', 'train_cfg.max_epochs=8')


def test_too_few_photos_to_choose_the_epoch_by_are_told_before_training(
    run_command, tiny_finetune, rated_csv, tmp_path
):
    cfg = tiny_finetune(tmp_path / 'run', **{'val_dataloader.dataset.holdout': 0.01})
    cfg.val_dataloader.dataset.part = 'holdout'
    cfg.dump(tmp_path / 'config.py')
    done = run_command('finetune', tmp_path / 'config.py', '--work-dir', tmp_path / 'run')
    assert done.returncode == 2
    assert '1 photos are left to choose the epoch by, but SRCC and the like need at least 3' in done.err
    assert not list((tmp_path / 'run').glob('*.pth'))
