"""Whole runs through MMEngine's Runner: determinism, resume, what the log shows."""

import json

import pytest
import torch
from mmengine.runner import Runner

LONG = {'train_cfg.max_epochs': 10, 'default_hooks.checkpoint.max_keep_ckpts': -1}
LOGGED = ('loss', 'chance_level', 'acc_degradation', 'acc_content', 'queue_fill')


def log_of(work_dir):
    lines = next(work_dir.glob('*/vis_data/scalars.json')).read_text().splitlines()
    return [json.loads(line) for line in lines]


def losses(work_dir):
    return [line['loss'] for line in log_of(work_dir)]


@pytest.fixture(scope='module')
def long_run(tiny_pretrain, tmp_path_factory):
    folder = tmp_path_factory.mktemp('long')
    Runner.from_cfg(tiny_pretrain(folder, **LONG)).train()
    return folder


def test_same_seed_same_20_losses(long_run, tiny_pretrain, tmp_path):
    again = tiny_pretrain(tmp_path, **LONG, **{'train_dataloader.num_workers': 2})
    Runner.from_cfg(again).train()
    assert len(losses(long_run)) == 20
    assert losses(tmp_path) == losses(long_run)  # with other workers


def test_other_seed_other_losses(long_run, tiny_pretrain, tmp_path):
    Runner.from_cfg(tiny_pretrain(tmp_path, randomness={'seed': 1}, **{'train_cfg.max_epochs': 1})).train()
    assert losses(tmp_path)[0] != losses(long_run)[0]


def test_resume_goes_on_as_if_nothing_had_happened(long_run, tiny_pretrain, tmp_path):
    Runner.from_cfg(tiny_pretrain(tmp_path, resume=True, load_from=str(long_run / 'epoch_4.pth'), **LONG)).train()
    assert losses(tmp_path) == losses(long_run)[8:]


def test_log_shows_the_method(long_run):
    for line in log_of(long_run):
        assert set(LOGGED) <= set(line)
    fills = [line['queue_fill'] for line in log_of(long_run)]
    assert fills[:4] == pytest.approx([12 / 50, 24 / 50, 36 / 50, 48 / 50])
    assert fills[5:] == [1] * 15
    # The 8 other patches of the batch, the queue before the step, and as much weight on degradation-based negatives
    assert log_of(long_run)[0]['chance_level'] == pytest.approx(torch.tensor(1.0 + 2 * 8).log().item(), abs=1e-4)
    assert log_of(long_run)[1]['chance_level'] == pytest.approx(torch.tensor(1.0 + 2 * 20).log().item(), abs=1e-4)
    gains = [
        line['acc_degradation'] - line['gain_degradation'] for line in log_of(long_run) if 'gain_degradation' in line
    ]
    assert len(gains) == 11  # from the tenth batch on, less the same start
    assert gains == pytest.approx([gains[0]] * 11)


def test_fine_tuning_starts_from_the_pretrained_weights(tiny_finetune, pretrained_checkpoint, tmp_path):
    cfg = tiny_finetune(tmp_path, **{'model.pretrained': str(pretrained_checkpoint)})
    runner = Runner.from_cfg(cfg)
    runner.model.init_weights()
    state = torch.load(pretrained_checkpoint, weights_only=False)['state_dict']
    name = 'backbone.timm_model.layer4.0.conv1.weight'
    assert torch.equal(runner.model.state_dict()[name], state[name])


def test_metrics_of_fine_tuning_are_in_the_log(finetuned_checkpoint):
    line = log_of(finetuned_checkpoint.parent)[-1]
    assert {'iqa/SRCC', 'iqa/PLCC', 'iqa/KRCC', 'iqa/RMSE'} <= set(line)
