"""The head is fitted to the features of the pre-trained backbone before training."""

import os
import signal
from pathlib import Path

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmqpt.core.errors import InputError
from mmqpt.core.head import Standardise
from mmqpt.engine.head_start import HeadStartHook
from mmqpt.engine.stopping import RunStopped
from mmqpt.export.convert import export_checkpoint

START = {'type': 'HeadStartHook', 'epochs': 200, 'lr': 0.02, 'batches': 1}


class Look(Hook):
    """Keeps the model's state and its loss on the training set before the first step."""

    priority = 'LOWEST'

    def __init__(self):
        self.state = None
        self.loss = None

    def before_train(self, runner):
        self.state = {name: value.clone() for name, value in runner.model.state_dict().items()}
        runner.model.eval()
        losses = []
        for batch in runner.train_dataloader:
            batch = runner.model.data_preprocessor(batch, True)
            losses.append(runner.model(**batch, mode='loss')['loss'].item())
        self.loss = sum(losses) / len(losses)


def look(cfg, hooks):
    cfg.custom_hooks = [*cfg.get('custom_hooks', []), *hooks]
    runner = Runner.from_cfg(cfg)
    seen = Look()
    runner.register_hook(seen)
    runner.train()
    return seen, runner


def test_head_fits_features_and_the_backbone_stays(tiny_finetune, tmp_path):
    changes = {'model.head.standardise': True, 'model.head.dropout': 0.0}
    plain, _ = look(tiny_finetune(tmp_path / 'a', **changes), [])
    begun, runner = look(tiny_finetune(tmp_path / 'b', **changes), [START])
    assert begun.loss < 0.5 * plain.loss
    for name, value in plain.state.items():
        if name.startswith('backbone.'):
            assert torch.equal(value, begun.state[name]), name
    layer = runner.model.head.layers[0]
    assert isinstance(layer, Standardise)
    assert not torch.equal(layer.deviation, torch.ones_like(layer.deviation))


def test_resumed_runs_skip_it(tiny_finetune, tmp_path):
    look(tiny_finetune(tmp_path, **{'train_cfg.max_epochs': 1, 'param_scheduler': []}), [START])
    cfg = tiny_finetune(tmp_path, **{'param_scheduler': []})
    cfg.resume = True
    saved = torch.load(tmp_path / 'epoch_1.pth', weights_only=False)['state_dict']
    seen, runner = look(cfg, [START])
    assert runner.epoch == 2
    for name, value in saved.items():
        assert torch.equal(value, seen.state[name]), name


def test_ladders_and_scales_take_part(tiny_finetune, tmp_path, photo_folder):
    names = sorted(path.name for path in photo_folder.iterdir())
    ann_file = tmp_path / 'scales.csv'
    lines = [f'{name},{1 + place / len(names) * 3},{"ab"[place % 2]}' for place, name in enumerate(names)]
    ann_file.write_text('name,mos,set\n' + '\n'.join(lines) + '\n')
    cfg = tiny_finetune(
        tmp_path / 'run',
        **{'model.scales': {'names': ['a', 'b']}, 'model.ladder': {'weight': 1.0, 'margin': 0.02}},
    )
    for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        cfg[loader].dataset.update(ann_file=str(ann_file), scale_column='set')
        cfg[loader].dataset.pop('where', None)
    steps = cfg.train_dataloader.dataset.pipeline
    steps.insert(1, {'type': 'LevelLadder', 'crop': 64, 'rungs': 2, 'view': {'min_side': 64, 'max_side': 128}})
    seen, runner = look(cfg, [START])
    moved = seen.state['scales.moved_offset']
    assert moved.abs().max() > 0
    assert runner.iter > 0


def whole_photo_score_error(runner):
    """Mean squared error of predictions as they are tested."""
    runner.model.eval()
    errors = []
    for batch in runner.val_dataloader:
        for sample in runner.model.val_step(batch):
            errors.append((sample.pred_score - sample.gt_score).item() ** 2)
    return sum(errors) / len(errors)


def test_whole_photos_fit_better_as_they_are_tested(tiny_finetune, tmp_path):
    """One photo is larger than the size rule allows: crops, or pixels without the rule, are not what is tested."""
    pipeline = [{'type': 'LoadPhoto'}, {'type': 'PackRatedPhoto'}]
    errors = {}

    class Errors(Hook):
        priority = 'LOWEST'

        def before_train(self, runner):
            errors[Path(runner.work_dir).name] = whole_photo_score_error(runner)

    for name, hook in {'crops': START, 'whole': START | {'pipeline': pipeline, 'passes': 2}}.items():
        cfg = tiny_finetune(tmp_path / name, **{'model.head.standardise': True, 'model.head.dropout': 0.0})
        cfg.custom_hooks = [*cfg.get('custom_hooks', []), hook]
        runner = Runner.from_cfg(cfg)
        runner.register_hook(Errors())
        runner.train()
    assert errors['whole'] < 0.5 * errors['crops'], errors


def test_is_validated_as_epoch_0_and_averaged_weights_begin_there(tiny_finetune, tmp_path):
    cfg = tiny_finetune(
        tmp_path,
        **{'train_cfg.max_epochs': 1, 'param_scheduler': [], 'default_hooks.checkpoint.save_best': 'iqa/RMSE'},
    )
    cfg.default_hooks.checkpoint.rule = 'less'
    cfg.custom_hooks = [*cfg.get('custom_hooks', []), {'type': 'EMAHook'}, START]
    seen = []

    class Epochs(Hook):
        def before_val_epoch(self, runner):  # the average is validated, in the place of the weights
            seen.append((runner.epoch, runner.model.head.layers[-1].weight.clone()))

    runner = Runner.from_cfg(cfg)
    runner.register_hook(Epochs(), priority='LOWEST')
    look = Look()
    runner.register_hook(look)
    runner.train()
    assert [epoch for epoch, _ in seen] == [0, 1]
    assert torch.equal(seen[0][1], look.state['head.layers.3.weight'])
    assert list(tmp_path.glob('best_iqa_RMSE_epoch_*.pth'))


def test_head_only_ends_there_with_a_checkpoint_to_export(tiny_finetune, tmp_path):
    begun, runner = look(tiny_finetune(tmp_path), [{**START, 'head_only': True}])
    assert (runner.iter, runner.epoch) == (0, 0)
    assert runner.message_hub.get_scalar('val/iqa/SRCC').current() is not None
    assert not list(tmp_path.glob('epoch_[1-9]*.pth'))
    spec = export_checkpoint(tmp_path / 'epoch_0.pth', tmp_path / 'out.safetensors')
    assert spec.kind == 'metric'
    for name, value in runner.model.state_dict().items():
        assert torch.equal(value, begun.state[name]), name


class Stop(Hook):
    """Asks the run to stop while the features of a batch are computed; counts the batches."""

    def __init__(self, after=None):
        self.after, self.batches = after, 0

    def before_train(self, runner):
        compute = runner.model.batch_features

        def counted(inputs, samples):
            self.batches += 1
            if self.batches == self.after:
                os.kill(os.getpid(), signal.SIGTERM)
            return compute(inputs, samples)

        runner.model.batch_features = counted


def head_only_run(make, folder, start, after=None, **changes):
    """The state after a run of the head alone, and how many batches' features it computed."""
    cfg = make(folder, **{'randomness.seed': 3, 'train_dataloader.batch_size': 1, **changes})
    cfg.custom_hooks = [*cfg.get('custom_hooks', []), {**START, 'head_only': True, 'epochs': 3, **start}]
    runner = Runner.from_cfg(cfg)
    counter = Stop(after)
    runner.register_hook(counter, priority='NORMAL')
    runner.train()
    return {name: value.clone() for name, value in runner.model.state_dict().items()}, counter.batches


WHOLE = [{'type': 'LoadPhoto'}, {'type': 'PackRatedPhoto'}]


@pytest.mark.parametrize(
    'start', [{}, {'passes': 3}, {'pipeline': WHOLE}], ids=['crops', 'three passes', 'whole photos']
)
def test_goes_on_where_it_was_stopped(tiny_finetune, tmp_path, start):
    """The same head to the bit, and no batch computed twice; then nothing is left on disk."""
    whole, batches = head_only_run(tiny_finetune, tmp_path / 'whole', start)
    assert batches > 3
    at = batches - 2
    with pytest.raises(RunStopped, match=rf'SIGTERM in the head start, after {at} of {batches} batches, kept in'):
        head_only_run(tiny_finetune, tmp_path / 'run', start, after=at)
    state, rest = head_only_run(tiny_finetune, tmp_path / 'run', start)
    assert rest == 2
    for name, value in whole.items():
        assert torch.equal(value, state[name]), name
    assert not (tmp_path / 'run' / 'head_start').exists()


def test_features_of_another_backbone_or_of_changed_labels_are_computed_anew(tiny_finetune, tmp_path, rated_csv):
    ann_file = tmp_path / 'labels.csv'
    ann_file.write_text(rated_csv.read_text())
    labels = {f'{part}_dataloader.dataset.ann_file': str(ann_file) for part in ('train', 'val', 'test')}
    with pytest.raises(RunStopped):
        head_only_run(tiny_finetune, tmp_path / 'run', {}, after=2, **labels)
    lines = ann_file.read_text().splitlines()
    name, _, *rest = lines[1].split(',')
    lines[1] = ','.join([name, '4.875', *rest])
    ann_file.write_text('\n'.join(lines) + '\n')
    _, all_of_them = head_only_run(tiny_finetune, tmp_path / 'whole', {}, **labels)
    with pytest.raises(RunStopped):
        head_only_run(tiny_finetune, tmp_path / 'run', {}, after=2, **labels)
    kept = sorted((tmp_path / 'run' / 'head_start').iterdir())
    assert len(kept) == 1
    _, batches = head_only_run(tiny_finetune, tmp_path / 'run', {}, **labels, **{'randomness.seed': 4})
    assert batches == all_of_them


def test_needs_a_model_with_a_head(tiny_pretrain, tmp_path):
    cfg = tiny_pretrain(tmp_path)
    cfg.custom_hooks = [START]
    with pytest.raises(InputError, match='needs a model with a head, such as IQARegressor, not QPT'):
        Runner.from_cfg(cfg).train()


@pytest.mark.parametrize('bad', [{'passes': 0}, {'epochs': 0}, {'lr': 0.0}, {'lr': float('nan')}, {'batches': 0}])
def test_arguments_are_checked(bad):
    with pytest.raises(InputError, match='HeadStartHook needs'):
        HeadStartHook(**bad)
