"""``mmqpt pretrain`` and ``mmqpt finetune``: what a run starts from."""

import argparse

import pytest
from mmengine.runner import Runner

from mmqpt.cli.train import add_options, run


@pytest.fixture
def started(monkeypatch, tiny_finetune, tmp_path):
    """Runs the command on a tiny config, up to the runner; gives the config that it would run."""
    config = tmp_path / 'config.py'
    tiny_finetune(tmp_path / 'run').dump(config)

    def start(*options):
        seen = []
        monkeypatch.setattr(Runner, 'from_cfg', lambda cfg: seen.append(cfg) or argparse.Namespace(train=lambda: None))
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
    assert started().resume is False
