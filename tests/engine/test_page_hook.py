"""The page in real runs: at each checkpoint, on after a resume, and never in the way."""

import pytest
from mmengine.runner import Runner

from mmqpt.core.errors import InputError
from mmqpt.engine.log_keys import LOG_KEYS
from mmqpt.engine.page_hook import TrainingPageHook


def test_a_pre_training_writes_its_page_and_a_resumed_one_goes_on(tiny_pretrain, tmp_path):
    cfg = tiny_pretrain(tmp_path)
    Runner.from_cfg(cfg).train()
    page = (tmp_path / 'report.html').read_text()
    assert 'Step 4 of 4' in page
    assert 'QC-Loss against chance' in page
    assert page.count('data:image/jpeg') == 2 * 3  # versions of the three photos of a batch
    keys = [key for key in LOG_KEYS if f'<code>{key}</code>' in page]
    assert {'loss', 'chance_level', 'acc_degradation', 'queue_fill', 'lr', 'time'} <= set(keys)
    unknown = {part.split('</code>')[0] for part in page.split('<code>')[1:]} - set(LOG_KEYS)
    assert unknown <= {'epoch', 'iter'}  # whatever QPT logs is explained
    (tmp_path / 'report.html').unlink()
    cfg.resume = True
    cfg.train_cfg.max_epochs = 3
    runner = Runner.from_cfg(cfg)
    runner.train()
    assert len(runner.message_hub.get_scalar('train/loss').data[0]) == 6
    assert 'Step 6 of 6' in (tmp_path / 'report.html').read_text()


def test_a_fine_tuning_shows_its_validation(tiny_finetune, tmp_path):
    Runner.from_cfg(tiny_finetune(tmp_path)).train()
    page = (tmp_path / 'report.html').read_text()
    assert '<code>val/iqa/SRCC</code>' in page  # of the epoch before: a checkpoint is saved first
    assert 'SRCC on the validation part' in page
    assert 'Example pairs' not in page


def test_a_page_that_can_not_be_written_stops_nothing(tiny_pretrain, tmp_path, monkeypatch):
    warned = []
    (tmp_path / 'report.html').mkdir()
    runner = Runner.from_cfg(tiny_pretrain(tmp_path))
    monkeypatch.setattr(runner.logger, 'warning', warned.append)
    runner.train()
    assert (tmp_path / 'epoch_2.pth').is_file()
    assert any('report.html was not written' in line for line in warned)


def test_a_fault_of_the_page_stops_nothing_and_is_told(tiny_pretrain, tmp_path, monkeypatch):
    warned = []
    runner = Runner.from_cfg(tiny_pretrain(tmp_path))
    monkeypatch.setattr(runner.logger, 'warning', lambda line, **options: warned.append((line, options)))
    monkeypatch.setattr('mmqpt.engine.page_hook.training_page', lambda *_: {}['no such figure'])
    runner.train()
    assert (tmp_path / 'epoch_2.pth').is_file()
    assert ("report.html was not written: KeyError('no such figure')", {'exc_info': True}) in warned


def test_arguments_are_checked():
    with pytest.raises(InputError, match='examples must be an integer >= 0, got -1'):
        TrainingPageHook(examples=-1)
