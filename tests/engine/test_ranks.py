"""Whole runs on two ranks: stopping together and going on as if nothing had happened."""

import contextlib
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.runner import Runner

from mmqpt.core.errors import InputError
from mmqpt.engine.launch import wrap_for_cpu_ranks
from mmqpt.engine.stopping import RunStopped
from mmqpt.models.checkpoint import newest_checkpoint


def train(text, folder, hooks=(), resume=False, quiet=(RunStopped, InputError), **changes):
    """One run of this rank; returns why it stopped, and its model."""
    from tests.engine import conftest  # noqa: F401, registers the hooks

    cfg = Config.fromstring(text, file_format='.py')
    cfg.merge_from_dict({'work_dir': folder, 'launcher': 'pytorch', **changes})
    wrap_for_cpu_ranks(cfg)
    cfg.experiment_name = f'{folder}{resume}'
    cfg.custom_hooks += list(hooks)
    if resume:
        cfg.resume, cfg.load_from = True, str(newest_checkpoint(folder))
    runner = Runner.from_cfg(cfg)
    with contextlib.suppress(*quiet):
        runner.train()
    return runner.iter, {name: value.clone() for name, value in runner.model.module.state_dict().items()}


def _stop_and_go_on(rank, ranks, text, folder):
    trouble = {'type': 'SignalAt', 'step': 4, 'rank': 1}  # only the other rank is signalled
    return (
        train(text, f'{folder}/whole'),
        train(text, f'{folder}/torn', [trouble]),
        train(text, f'{folder}/torn', resume=True),
    )


def test_ranks_stop_together_and_go_on(on_ranks, stepwise, losses_of, tmp_path):
    cfg = stepwise(tmp_path)
    found = on_ranks(_stop_and_go_on, 2, cfg.pretty_text, str(tmp_path))
    assert [[run[0] for run in rank] for rank in found] == [[9, 4, 9]] * 2  # 3 epochs of 6 photos, 2 a step
    (whole, _, resumed), (other, _, other_resumed) = ([run[1] for run in rank] for rank in found)
    for name, value in whole.items():
        assert torch.equal(value, other[name]), name
        assert torch.equal(value, resumed[name]), name
        assert torch.equal(value, other_resumed[name]), name
    assert losses_of(tmp_path / 'torn') == losses_of(tmp_path / 'whole')


def _loader_of_one_rank_fails(rank, ranks, text, folder):
    return train(text, folder)


def test_a_loader_that_fails_on_one_rank_saves_all(on_ranks, stepwise, tmp_path):
    cfg = stepwise(tmp_path)
    trouble = {'type': 'TroubleWith', 'position': 3, 'epoch': 1, 'kind': 'fails'}  # rank 1's second of the epoch
    cfg.train_dataloader.dataset.pipeline.insert(0, trouble)
    found = on_ranks(_loader_of_one_rank_fails, 2, cfg.pretty_text, str(tmp_path))
    assert [rank[0] for rank in found] == [4, 4]
    assert newest_checkpoint(tmp_path) == Path(tmp_path) / 'stopped_iter_4.pth'


def _zero(rank, ranks, text, folder):
    zero = {'type': 'ZeroRedundancyOptimizer', 'optimizer_type': 'SGD', 'lr': 0.03}
    try:
        train(text, folder, quiet=(), **{'optim_wrapper.optimizer': {'_delete_': True, **zero}})
    except InputError as error:
        return str(error)


def test_zero_is_refused_rather_than_waited_for(on_ranks, stepwise, tmp_path):
    for message in on_ranks(_zero, 2, stepwise(tmp_path).pretty_text, str(tmp_path)):
        assert message.startswith('ZeroRedundancyOptimizer can not be saved')
