"""A resumed run says what it takes from its checkpoint though the config says something else."""

import pytest
from mmengine.runner import Runner

from mmqpt.core.errors import InputError

OFF = dict.fromkeys(('val_cfg', 'val_dataloader', 'val_evaluator'))


@pytest.fixture
def resumed(tiny_finetune, tmp_path, monkeypatch):
    """Trains an epoch of two steps, resumes with changes for another, and gives what was warned of."""
    start = {**OFF, 'train_dataloader.batch_size': 2, 'train_cfg.max_epochs': 2}
    Runner.from_cfg(tiny_finetune(tmp_path, **start)).train()
    last = {'resume': True, 'load_from': str(tmp_path / 'epoch_2.pth'), 'train_cfg.max_epochs': 3}

    def resume(**changes):
        runner = Runner.from_cfg(tiny_finetune(tmp_path / 'again', **start | last | changes))
        said = []
        monkeypatch.setattr(runner.logger, 'warning', lambda message, *_: said.append(str(message)))
        runner.train()
        return [line for line in said if 'settings of the checkpoint' in line]

    return resume


def test_nothing_is_said_where_nothing_differs(resumed):
    assert resumed() == []  # a longer run is no other setting


@pytest.mark.parametrize(
    ('key', 'value', 'said'),
    [
        ('optim_wrapper.optimizer.lr', 3e-2, 'where the config has 0.03'),
        ('optim_wrapper.optimizer.weight_decay', 0.5, 'where the config has 0.5'),
        ('param_scheduler.1.eta_min', 1e-9, 'eta_min of CosineAnnealingLR 0.0, where the config has 1e-09'),
    ],
)
def test_what_the_checkpoint_wins_is_said(resumed, key, value, said):
    (line,) = resumed(**{key: value})
    assert said in line
    assert 'load_from without resume' in line


def test_other_schedules_are_refused(resumed):
    with pytest.raises(InputError, match=r'other schedules \(param_scheduler\)'):
        resumed(param_scheduler=[{'type': 'ConstantLR', 'factor': 0.5}])
