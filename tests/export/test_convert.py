"""Export: the same numbers elsewhere, the spec, refusals."""

import json
import shutil
from dataclasses import replace

import pytest
import timm
import torch
from mmengine.runner import Runner
from safetensors import safe_open
from safetensors.torch import load_file

from mmqpt.core.errors import InputError
from mmqpt.core.head import build_head
from mmqpt.core.photo import read_photo
from mmqpt.core.weights_file import read_weights, write_weights
from mmqpt.export.convert import export_backbone, export_checkpoint
from mmqpt.metric.arch import MMQPT
from mmqpt.metric.encoders import create_encoder
from mmqpt.metric.onnx_export import export_onnx


def test_metric_file_says_everything(metric_weights):
    with safe_open(str(metric_weights), framework='pt') as file:
        spec = json.loads(file.metadata()['mmqpt'])
    assert spec['kind'] == 'metric'
    assert spec['backbone'] == 'test_resnet'
    assert spec['input_mean'] == [127, 127, 127]
    assert spec['view'] == {'min_side': 64, 'max_side': 128, 'crop': None}
    assert spec['mos_range'] == [1, 5]
    assert spec['dataset'] == 'rated'
    assert len(spec['config_sha256']) == 64
    assert spec['iterations'] == 2
    assert set(spec['head']) == {'channels', 'hidden', 'dropout'}


def test_half_is_half_the_size_and_scores_alike(finetuned_checkpoint, tmp_path):
    whole, half = tmp_path / 'whole.safetensors', tmp_path / 'half.safetensors'
    assert export_checkpoint(finetuned_checkpoint, whole) == export_checkpoint(finetuned_checkpoint, half, half=True)
    tensors, wide = read_weights(half)[0], read_weights(whole)[0]
    for name, value in tensors.items():
        assert value.dtype == (torch.float16 if wide[name].dim() > 1 else wide[name].dtype), name
        torch.testing.assert_close(value.float(), wide[name].float(), rtol=1e-3, atol=1e-6)
    assert half.stat().st_size < 0.65 * whole.stat().st_size
    photo = torch.rand(1, 3, 70, 90)
    scores = [MMQPT(pretrained_model_path=str(path)).eval()(photo) for path in (whole, half)]
    assert scores[1].dtype == torch.float32
    torch.testing.assert_close(*scores, rtol=0, atol=1e-3)


def test_half_refuses_what_it_cannot_hold(finetuned_checkpoint, tmp_path):
    loaded = torch.load(finetuned_checkpoint, weights_only=False)
    loaded['state_dict']['head.layers.1.weight'] *= 1e9
    torch.save(loaded, tmp_path / 'large.pth')
    with pytest.raises(InputError, match=r'head\.layers\.1\.weight: has weights beyond the range of float16'):
        export_checkpoint(tmp_path / 'large.pth', tmp_path / 'x.safetensors', half=True)
    assert not (tmp_path / 'x.safetensors').exists()


def test_backbone_file(pretrained_checkpoint, tmp_path):
    spec = export_checkpoint(pretrained_checkpoint, tmp_path / 'new' / 'backbone.safetensors')
    tensors, read = read_weights(tmp_path / 'new' / 'backbone.safetensors')
    assert spec == read
    assert read.kind == 'backbone'
    assert all(name.startswith('backbone.') for name in tensors)


@pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
def test_plain_timm_backbone_has_the_checkpoints_weights(pretrained_checkpoint, tmp_path, suffix):
    path = tmp_path / f'plain{suffix}'
    assert export_backbone(pretrained_checkpoint, path, 'timm') == 'test_resnet'
    state = load_file(path) if suffix == '.safetensors' else torch.load(path, weights_only=True)
    timm.create_model('test_resnet', num_classes=0).load_state_dict(state)
    trained = torch.load(pretrained_checkpoint, weights_only=False)['state_dict']
    for name, value in state.items():
        assert torch.equal(value, trained[f'backbone.timm_model.{name}'])


def test_resnet_of_mmpretrain_to_torchvision(tiny_pretrain, tmp_path):
    import torchvision

    cfg = tiny_pretrain(
        tmp_path, **{'model.backbone': {'_delete_': True, 'type': 'ResNet', 'depth': 18}, 'train_cfg.max_epochs': 1}
    )
    Runner.from_cfg(cfg).train()
    assert export_backbone(tmp_path / 'epoch_1.pth', tmp_path / 'r18.pth', 'torchvision') == 'resnet18'
    model = torchvision.models.resnet18()
    missing, unexpected = model.load_state_dict(torch.load(tmp_path / 'r18.pth', weights_only=True), strict=False)
    assert set(missing) == {'fc.weight', 'fc.bias'}
    assert not unexpected
    assert export_checkpoint(tmp_path / 'epoch_1.pth', tmp_path / 'r18.safetensors').backbone == 'resnet18'


def test_all_options_in_one_run(tiny_finetune, photo_folder, tmp_path):
    """Crops, opinions, a sum of losses and frozen stages through the real loops, then export and metric."""
    names = sorted(path.name for path in photo_folder.iterdir())
    counts = ['4,1,0', '1,4,1', '0,2,3', '0,0,5', '2,2,2', '1,0,1']
    rows = [f'{name},{1 + 0.7 * i},{"train" if i < 3 else "test"},{counts[i]}' for i, name in enumerate(names)]
    (tmp_path / 'rated.csv').write_text('\n'.join(['name,mos,split,c1,c2,c3', *rows]) + '\n')
    cfg = tiny_finetune(
        tmp_path,
        **{
            'model.head': {'type': 'DistributionHead', 'bins': 3, 'pooling': 'stages', '_delete_': True},
            'model.backbone.features_only': True,
            'model.loss': [{'type': 'emd'}, {'type': 'plcc', 'weight': 0.1}],
            'model.loss_args': None,
            'model.freeze': 1,
            'model.view': {'min_side': 64, 'max_side': 128, 'crop': 64, 'places': 'five', 'flip': True},
            'train_dataloader.dataset.histogram_columns': ['c1', 'c2', 'c3'],
            'train_dataloader.dataset.pipeline.1.crops': 2,
            **{f'{part}_dataloader.dataset.ann_file': str(tmp_path / 'rated.csv') for part in ('train', 'val', 'test')},
        },
    )
    runner = Runner.from_cfg(cfg)
    runner.train()
    runner.test()
    spec = export_checkpoint(tmp_path / 'epoch_2.pth', tmp_path / 'metric.safetensors')
    assert spec.view == {'min_side': 64, 'max_side': 128, 'crop': 64, 'places': 'five', 'flip': True}
    metric = MMQPT(tmp_path / 'metric.safetensors').eval()
    name, _, score, _ = (tmp_path / 'predictions.csv').read_text().splitlines()[1].split(',')
    photo = torch.from_numpy(read_photo(photo_folder / name)).permute(2, 0, 1)[None].float() / 255
    with torch.no_grad():
        assert metric(photo).item() == pytest.approx(float(score), abs=1e-5)


def test_refusals(pretrained_checkpoint, tmp_path):
    torch.save({'state_dict': {}, 'meta': {}}, tmp_path / 'other.pth')
    with pytest.raises(InputError, match=r'other.pth: not a checkpoint of mmqpt'):
        export_checkpoint(tmp_path / 'other.pth', tmp_path / 'x.safetensors')
    (tmp_path / 'text.pth').write_text('no checkpoint')
    with pytest.raises(InputError, match=r'text.pth: not a checkpoint that can be loaded safely'):
        export_checkpoint(tmp_path / 'text.pth', tmp_path / 'x.safetensors')
    with pytest.raises(FileNotFoundError, match=r'no such checkpoint: .*none.pth'):
        export_checkpoint(tmp_path / 'none.pth', tmp_path / 'x.safetensors')
    with pytest.raises(InputError, match=r'must end with .safetensors, got .*x.pth'):
        export_checkpoint(pretrained_checkpoint, tmp_path / 'x.pth')
    with pytest.raises(InputError, match='torchvision has no model test_resnet'):
        export_backbone(pretrained_checkpoint, tmp_path / 'x.pth', 'torchvision')
    with pytest.raises(InputError, match="timm's test_efficientnet is another network"):
        export_checkpoint(pretrained_checkpoint, tmp_path / 'x.safetensors', 'test_efficientnet')
    assert not (tmp_path / 'x.safetensors').exists()


@pytest.fixture
def rated_in_two(rated_csv, tmp_path):
    """The photos of ``rated_csv`` on two rating scales, by the column ``kind``."""
    lines = rated_csv.read_text().splitlines()[:7]
    path = tmp_path / 'two.csv'
    path.write_text('\n'.join([lines[0] + ',kind', *(f'{line},{"ab"[i % 2]}' for i, line in enumerate(lines[1:]))]))
    return path


@pytest.mark.parametrize(('reference', 'mos_range'), [('common', (0, 1)), ('b', (1, 5))])
def test_training_on_rating_scales(tiny_finetune, rated_in_two, tmp_path, reference, mos_range):
    """From the set to the exported file, resumed in between."""
    changes = {'model.scales': {'names': ['a', 'b'], 'reference': reference}, 'val_evaluator.by': 'scale'}
    for loader in ('train', 'val'):
        changes[f'{loader}_dataloader.dataset.ann_file'] = str(rated_in_two)
        changes[f'{loader}_dataloader.dataset.scale_column'] = 'kind'
        changes[f'{loader}_dataloader.dataset.where'] = {}
    sampler = {'_delete_': True, 'type': 'ScaleSampler', 'batch_size': 4}
    changes |= {'train_dataloader.sampler': sampler, 'train_dataloader.batch_size': 4}
    changes |= {'default_hooks.checkpoint.max_keep_ckpts': 2}
    whole = Runner.from_cfg(tiny_finetune(tmp_path / 'whole', **changes))
    whole.train()
    shutil.copytree(tmp_path / 'whole', tmp_path / 'again')
    (tmp_path / 'again' / 'epoch_2.pth').unlink()
    cfg = tiny_finetune(tmp_path / 'again', **changes, resume=True, load_from=str(tmp_path / 'again' / 'epoch_1.pth'))
    resumed = Runner.from_cfg(cfg)
    resumed.train()
    for one, two in zip(whole.model.state_dict().items(), resumed.model.state_dict().items(), strict=True):
        assert one[0] == two[0]
        assert torch.equal(one[1], two[1]), one[0]
    spec = export_checkpoint(tmp_path / 'again' / 'epoch_2.pth', tmp_path / 'w.safetensors')
    assert (spec.scale, spec.mos_range) == (reference, mos_range)
    assert set(spec.scales) == {'a', 'b'}
    metric = MMQPT(pretrained_model_path=str(tmp_path / 'w.safetensors')).eval()
    photo = torch.rand(1, 3, 64, 64)
    score = metric(photo)
    assert torch.allclose(score[:, 0], whole.model.eval().predict_photo(photo), atol=1e-5)
    on_b = whole.model.scales(score[:, 0], torch.tensor([1])).item()
    assert float(metric.spec.to_mos(score.item(), 'b')) == pytest.approx(1 + 4 * on_b, abs=1e-4)


@pytest.mark.parametrize('loader', ['set', 'model'])
def test_scales_of_the_set_or_of_the_model_alone(tiny_finetune, rated_in_two, tmp_path, loader):
    changes = {'model.scales': ['a', 'b']} if loader == 'model' else {'train_dataloader.dataset.scale_column': 'kind'}
    changes |= {'train_dataloader.dataset.ann_file': str(rated_in_two)}
    with pytest.raises(InputError, match='rating scales'):
        Runner.from_cfg(tiny_finetune(tmp_path / 'run', **changes)).train()


def test_side_network_keeps_its_branch_wherever_it_goes(tmp_path):
    """Checkpoint, file, encoder, metric and ONNX (which compares itself with the metric)."""
    torch.manual_seed(0)
    backbone = {'type': 'TIMMBackbone', 'model_name': 'tf_efficientnet_lite0_side', 'features_only': True}
    network = timm.create_model('tf_efficientnet_lite0_side', features_only=True).eval()
    spec = {
        'kind': 'backbone', 'backbone': backbone, 'mean': [127] * 3, 'std': [128] * 3, 'config_sha256': None,
        'iterations': 3, 'mmqpt_version': '0', 'input_size': 64,
    }  # fmt: skip
    state = {f'backbone.timm_model.{name}': value for name, value in network.state_dict().items()}
    state |= {f'key_backbone.{name}': value for name, value in network.side.state_dict().items()}
    torch.save({'state_dict': state, 'meta': {'mmqpt': spec}}, tmp_path / 'iter_3.pth')
    export_checkpoint(tmp_path / 'iter_3.pth', tmp_path / 'encoder.safetensors')
    images = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        wanted = network(images)
        for options in ({'features_only': True}, {'features_only': True, 'out_indices': (2, 4)}):
            found = create_encoder(tmp_path / 'encoder.safetensors', **options).eval()(images)
            for ours, theirs in zip(found, [wanted[i] for i in options.get('out_indices', range(7))], strict=True):
                assert torch.equal(ours, theirs)
        pooled = create_encoder(tmp_path / 'encoder.safetensors').eval()(images)
    torch.testing.assert_close(pooled[:, :320], wanted[-1].mean(dim=(2, 3)))
    tensors, encoder = read_weights(tmp_path / 'encoder.safetensors')
    head = {'channels': 2 * 656, 'hidden': 4, 'pooling': 'moments'}
    view = {'min_side': 32, 'max_side': 64, 'crop': None}
    made = replace(encoder, kind='metric', head=head, view=view, mos_range=(1, 5))
    tensors |= {f'head.{name}': value for name, value in build_head(head).state_dict().items()}
    write_weights(tmp_path / 'metric.safetensors', tensors, made)
    assert 0 < MMQPT(pretrained_model_path=str(tmp_path / 'metric.safetensors')).eval()(images.sigmoid()).item() < 1
    export_onnx(tmp_path / 'metric.safetensors', tmp_path / 'metric.onnx')
