"""The hooks in real runs."""

import re
import shutil
from types import SimpleNamespace

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmqpt.core.errors import InputError
from mmqpt.engine.hooks import CollapseWatchHook, UnreadablePhotosHook, effective_rank, mean_similarity
from mmqpt.models.protocol import Embeddings


def test_checkpoint_says_what_export_needs(pretrained_checkpoint):
    meta = torch.load(pretrained_checkpoint, weights_only=False)['meta']['mmqpt']
    assert meta['kind'] == 'backbone'
    assert meta['backbone'] == {'type': 'TIMMBackbone', 'model_name': 'test_resnet'}
    assert meta['data']['photos'] == 6
    assert meta['iterations'] == 4
    assert type(meta['backbone']) is dict  # not a ConfigDict, which would need MMEngine to load


@pytest.fixture
def folder_with_a_broken_photo(photo_folder, tmp_path):
    folder = tmp_path / 'photos'
    shutil.copytree(photo_folder, folder)
    whole = (folder / 'coffee_0.jpg').read_bytes()
    (folder / 'broken.jpg').write_bytes(whole[: len(whole) // 2])
    return folder


def test_steps_are_counted_alike_in_runs_by_steps(tiny_pretrain, tmp_path):
    cfg = tiny_pretrain(
        tmp_path,
        **{
            'train_cfg': {'_delete_': True, 'type': 'IterBasedTrainLoop', 'max_iters': 3},
            'param_scheduler': [{'type': 'ConstantLR', 'factor': 1.0, 'by_epoch': False}],
            'default_hooks.checkpoint': {'by_epoch': False, 'interval': 3},
            'log_processor.by_epoch': False,
        },
    )
    Runner.from_cfg(cfg).train()
    assert torch.load(tmp_path / 'iter_3.pth', weights_only=False)['meta']['mmqpt']['iterations'] == 3


def test_unreadable_photo_is_skipped_counted_and_named(
    tiny_pretrain, folder_with_a_broken_photo, tmp_path, monkeypatch
):
    warned = []
    cfg = tiny_pretrain(
        tmp_path / 'run',
        **{
            'train_dataloader.dataset.data_root': str(folder_with_a_broken_photo),
            'train_dataloader.drop_last': False,
            'custom_hooks': [{'type': 'UnreadablePhotosHook', 'max_share': 0.2}],
        },
    )
    runner = Runner.from_cfg(cfg)
    monkeypatch.setattr(runner.logger, 'warning', warned.append)
    runner.train()
    named = [line for line in warned if 'broken.jpg' in line]
    assert len(named) == 2  # once when met (in two epochs), once in the summary
    assert 'unreadable photo skipped (1 so far)' in named[0]
    assert named[1].startswith('1 unreadable photos were skipped')


def test_too_many_unreadable_photos_stop_the_run(tiny_pretrain, folder_with_a_broken_photo, tmp_path):
    cfg = tiny_pretrain(
        tmp_path / 'run',
        **{
            'train_dataloader.dataset.data_root': str(folder_with_a_broken_photo),
            'train_dataloader.drop_last': False,
            'custom_hooks': [{'type': 'UnreadablePhotosHook', 'max_share': 0.1}],
        },
    )
    with pytest.raises(InputError, match=r'1 of 7 photos are unreadable, more than the share of 0.1 .*broken.jpg'):
        Runner.from_cfg(cfg).train()


def test_share_is_of_distinct_photos():
    hook = UnreadablePhotosHook(max_share=0.1)
    runner = SimpleNamespace(
        logger=SimpleNamespace(warning=lambda text: None), train_dataloader=SimpleNamespace(dataset=range(10))
    )
    sample = SimpleNamespace(get=lambda key, default: [('a.jpg', 'a.jpg: broken')])
    for _ in range(5):
        hook.after_train_iter(runner, 0, {'data_samples': [sample]})
    other = SimpleNamespace(get=lambda key, default: [('b.jpg', 'b.jpg: broken')])
    with pytest.raises(InputError, match='2 of 10 photos'):
        hook.after_train_iter(runner, 0, {'data_samples': [other]})


def _of_ranks(rank, ranks):
    """Each rank meets another broken photo of ten."""
    warned, found = [], []
    runner = SimpleNamespace(
        logger=SimpleNamespace(warning=warned.append), train_dataloader=SimpleNamespace(dataset=range(10))
    )
    sample = SimpleNamespace(get=lambda key, default: [(f'{rank}.jpg', f'{rank}.jpg: broken')])
    for share in (0.2, 0.1):
        hook = UnreadablePhotosHook(max_share=share)
        hook.after_train_iter(runner, 0, {'data_samples': [sample]})
        try:
            hook.after_train_epoch(runner)
        except InputError as error:
            found.append(str(error))
    return warned, found


def test_ranks_tell_each_other_of_unreadable_photos(on_ranks):
    for warned, found in on_ranks(_of_ranks, 2):
        assert all(any(f'{rank}.jpg: broken' in line for line in warned) for rank in range(2))
        assert len(found) == 1
        assert found[0].startswith('2 of 10 photos are unreadable')


def test_bad_share():
    with pytest.raises(InputError, match='max_share must be a share from 0 to 1, got 2'):
        UnreadablePhotosHook(max_share=2)


@pytest.mark.parametrize('epochs', [1, 2])
def test_the_epoch_of_a_resume_is_validated_before_the_run_goes_on(tiny_finetune, tmp_path, epochs):
    constant = {'param_scheduler': [{'type': 'ConstantLR', 'factor': 1.0}]}
    first = tiny_finetune(tmp_path / 'first', **constant, **{'train_cfg.max_epochs': 1, 'train_cfg.val_interval': 9})
    Runner.from_cfg(first).train()  # stopped before it was validated
    seen = []
    again = tiny_finetune(
        tmp_path / 'again',
        **constant,
        **{
            'train_cfg.max_epochs': epochs,
            'resume': True,
            'load_from': str(tmp_path / 'first' / 'epoch_1.pth'),
            'default_hooks.checkpoint.save_best': 'iqa/RMSE',
            'default_hooks.checkpoint.rule': 'less',
        },
    )
    runner = Runner.from_cfg(again)
    runner.register_hook(Watch(seen), priority='VERY_LOW')
    runner.train()
    assert seen == [('validated', 1), ('trained', 1), ('validated', 2)][: 2 * epochs - 1]
    assert list((tmp_path / 'again').glob('best_iqa_RMSE_epoch_*.pth'))


@pytest.mark.parametrize(
    ('changes', 'validated'),
    [({'val_interval': 3}, [3, 4]), ({'val_begin': 3}, [3, 4]), ({'val_interval': 2}, [2, 4]), ({}, [2, 3, 4])],
)
def test_a_resume_validates_no_epoch_that_is_not_due(tiny_finetune, tmp_path, changes, validated):
    constant = {'param_scheduler': [{'type': 'ConstantLR', 'factor': 1.0}]}
    Runner.from_cfg(tiny_finetune(tmp_path, **constant, **{'train_cfg.val_interval': 9})).train()
    seen = []
    cfg = tiny_finetune(tmp_path, **constant, **{'train_cfg.max_epochs': 4, 'resume': True})
    cfg.load_from = str(tmp_path / 'epoch_2.pth')
    cfg.merge_from_dict({f'train_cfg.{name}': value for name, value in changes.items()})
    runner = Runner.from_cfg(cfg)
    runner.register_hook(Watch(seen), priority='VERY_LOW')
    runner.train()
    assert [epoch for what, epoch in seen if what == 'validated'] == validated


def test_progress_bar_counts_steps_and_shows_the_figures(tiny_finetune, tmp_path, capfd):
    hooks = {'custom_hooks': [{'type': 'ProgressBarHook', 'figures': ['iqa/RMSE']}]}
    Runner.from_cfg(tiny_finetune(tmp_path, **hooks)).train()
    last = capfd.readouterr().err.split('train:')[-1]
    assert re.search(r'100%.* 2/2 .*RMSE=\d\.\d{3}', last), last


class Watch(Hook):
    """Notes what happens, and in which epoch."""

    def __init__(self, seen):
        self.seen = seen

    def after_val_epoch(self, runner, metrics=None):
        self.seen.append(('validated', runner.epoch))

    def after_train_epoch(self, runner):
        self.seen.append(('trained', runner.epoch))


def test_rank_and_similarity_of_known_vectors():
    assert effective_rank(torch.eye(8)) == pytest.approx(8, rel=1e-5)
    assert effective_rank(torch.ones(8, 4) / 2) == pytest.approx(1, abs=1e-3)
    assert mean_similarity(torch.eye(8)) == pytest.approx(0, abs=1e-6)
    assert mean_similarity(torch.ones(8, 4) / 2) == pytest.approx(1, rel=1e-6)
    assert mean_similarity(torch.tensor([[1.0, 0], [-1, 0]])) == pytest.approx(-1)


def look(hook, queries, step, queued=40, batches=1):
    warned, logged = [], {}
    embeddings = queries if queries is None else Embeddings(queries, queued if queued is None else torch.tensor(queued))
    runner = SimpleNamespace(
        model=SimpleNamespace(last_embeddings=lambda: embeddings),
        iter=step - 1,
        optim_wrapper=SimpleNamespace(_accumulative_counts=batches),
        logger=SimpleNamespace(warning=warned.append),
        message_hub=SimpleNamespace(update_scalar=logged.__setitem__),
    )
    hook.after_train_iter(runner, 0)
    return warned, logged


def test_collapse_is_warned_of_after_two_looks_and_not_before():
    one_point = torch.ones(8, 4) / 2
    hook = CollapseWatchHook(interval=10)
    assert look(hook, one_point, 5) == ([], {})
    warned, logged = look(hook, one_point, 10)
    assert not warned
    assert logged['train/embedding_similarity'] == pytest.approx(1)
    assert logged['train/queue_age'] == 3  # keys of the last five steps: 1 to 5 steps old
    warned, _ = look(hook, one_point, 20)
    assert len(warned) == 1
    assert 'COLLAPSE: step 20: embeddings of different patches have a mean cosine of 1.000' in warned[0]
    assert not look(hook, torch.eye(8), 30)[0]
    assert not look(hook, one_point, 40)[0]


def test_the_age_of_keys_is_counted_in_steps_of_several_batches():
    _, logged = look(CollapseWatchHook(interval=10), torch.eye(8), 10, queued=96, batches=4)
    assert logged['train/queue_age'] == 2  # 32 keys a step: 1, 2 and 3 steps old


def test_models_without_embeddings_or_queue():
    _, logged = look(CollapseWatchHook(interval=10), torch.eye(8), 10, queued=None)
    assert set(logged) == {'train/embedding_rank', 'train/embedding_similarity'}
    assert look(CollapseWatchHook(interval=10), None, 10) == ([], {})  # before the first batch
    stranger = SimpleNamespace(model=SimpleNamespace(), iter=9)
    CollapseWatchHook(interval=10).after_train_iter(stranger, 0)


def test_embeddings_that_are_not_finite_are_warned_of():
    warned, logged = look(CollapseWatchHook(interval=10), torch.full((8, 4), float('nan')), 10)
    assert warned == ['COLLAPSE: step 10: embeddings are not finite; the weights are lost']
    assert not logged


def test_embeddings_are_watched_in_a_real_run(tiny_pretrain, tmp_path):
    cfg = tiny_pretrain(tmp_path, **{'custom_hooks': [{'type': 'CollapseWatchHook', 'interval': 1}]})
    cfg.default_hooks.logger = {'type': 'LoggerHook', 'interval': 1}
    Runner.from_cfg(cfg).train()
    scalars = next(tmp_path.glob('*/vis_data/scalars.json')).read_text()
    for name in (
        'embedding_rank',
        'embedding_similarity',
        'queue_age',
        'sim_positive',
        'sim_degradation',
        'sim_content',
    ):
        assert f'"{name}": ' in scalars, name


def test_bad_collapse_watch():
    with pytest.raises(InputError, match=r'interval >= 1, patience >= 1 and .* <= 1, got 0, 2 and 0\.98'):
        CollapseWatchHook(interval=0)
