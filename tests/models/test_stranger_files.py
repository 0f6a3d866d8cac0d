"""Every door by which a checkpoint or weights enter: what a stranger put into the file is refused and never runs."""

import json
import os
import pickle

import numpy as np
import pyiqa
import pytest
import torch
import yaml
from mmengine.model import BaseModule
from mmengine.runner import CheckpointLoader, Runner, load_checkpoint

import mmqpt
from mmqpt.core.errors import InputError
from mmqpt.core.weights_spec import read_metadata
from mmqpt.datasets.rated.duplicates import fingerprint_photos
from mmqpt.evaluation.protocols.features import FeatureStore
from mmqpt.export.convert import export_backbone, export_checkpoint
from mmqpt.metric.from_pyiqa import export_pyiqa
from mmqpt.metric.load_backbone import load_backbone
from mmqpt.metric.onnx_file import read_onnx
from mmqpt.models.backbone import load_pretrained
from mmqpt.models.checkpoint import allow_resume, load_checkpoint_file, newest_checkpoint

KINDS = ('zip', 'legacy', 'protocol 5', 'bare pickle', 'nested in meta')


class Writes:
    """Unpickling it makes a file."""

    def __init__(self, target):
        self.target = str(target)

    def __reduce__(self):
        return open, (self.target, 'w')


@pytest.fixture
def target(tmp_path):
    """What code in a crafted file would write; it must not be there at the end."""
    path = tmp_path / 'written-by-a-stranger'
    yield path
    assert not path.exists(), 'code in the file was run'


def craft(path, target, kind='zip'):
    """A checkpoint that would write ``target``."""
    content = {'state_dict': {'a': torch.zeros(2), 'b': Writes(target)}, 'meta': {'mmqpt': {'kind': 'metric'}}}
    if kind == 'nested in meta':
        content = {'state_dict': {'a': torch.zeros(2)}, 'meta': {'mmqpt': {'kind': Writes(target)}}}
    if kind == 'bare pickle':
        path.write_bytes(pickle.dumps(content['state_dict']['b']))
    else:
        torch.save(
            content, path, _use_new_zipfile_serialization=kind != 'legacy',
            pickle_protocol=5 if kind == 'protocol 5' else 2,
        )  # fmt: skip
    return path


def test_the_crafted_files_do_write_where_code_is_run(tmp_path):
    for number, kind in enumerate(KINDS):
        made = tmp_path / f'{number}'
        torch.load(craft(tmp_path / 'evil.pth', made, kind), weights_only=False) if kind != 'bare pickle' else (
            pickle.loads(craft(tmp_path / 'evil.pth', made, kind).read_bytes())
        )
        assert made.exists(), kind


def resume(path, tiny, folder):
    cfg = tiny(folder)
    cfg.resume, cfg.load_from = True, str(path)
    Runner.from_cfg(cfg).train()


def load_from(path, tiny, folder):
    Runner.from_cfg(tiny(folder, load_from=str(path))).train()


def pretrained(path, tiny, folder):
    load_pretrained(torch.nn.Linear(2, 2), str(path))


def init_cfg(path, tiny, folder):
    BaseModule(init_cfg={'type': 'Pretrained', 'checkpoint': str(path)}).init_weights()


def pyiqa_run(path, tiny, folder):
    weights = mmqpt.list_weights()['qpt']
    options = {
        'network': {'type': 'MMQPT', 'backbone_path': str(weights)},
        'datasets': {'train': {'name': 'x', 'mos_normalize': True, 'mos_range': [1, 5]}},
    }
    (folder / 'options.yml').write_text(yaml.safe_dump(options))
    export_pyiqa(folder / 'options.yml', path, folder / 'out.safetensors')


DOORS = {
    'resume': resume,
    'load_from': load_from,
    'model.pretrained': pretrained,
    'init_cfg of a config': init_cfg,
    'load_checkpoint of MMEngine': lambda path, *_: load_checkpoint(torch.nn.Linear(2, 2), str(path)),
    'mmqpt test': lambda path, *_: load_checkpoint_file(path),
    'mmqpt export': lambda path, _, folder: export_checkpoint(path, folder / 'out.safetensors'),
    'mmqpt export --to timm': lambda path, _, folder: export_backbone(path, folder / 'out.pth', 'timm'),
    'export from pyiqa': pyiqa_run,
    'load_backbone of the metric': lambda path, *_: load_backbone(torch.nn.Linear(2, 2), path),
    'weights of mmqpt.score': lambda path, *_: mmqpt.score(np.zeros((40, 40, 3), np.uint8), weights=path),
    'pyiqa.create_metric': lambda path, *_: pyiqa.create_metric('qpt', pretrained_model_path=str(path)),
    'metadata of weights': lambda path, *_: read_metadata(path),
    'ONNX file': lambda path, *_: read_onnx(path),
}


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('door', DOORS)
def test_code_in_a_checkpoint_does_not_run(door, kind, target, tmp_path, tiny_pretrain):
    path = craft(tmp_path / 'evil.pth', target, kind)
    with pytest.raises(InputError, match=r'evil\.pth'):
        DOORS[door](path, tiny_pretrain, tmp_path / 'run' if 'run' in door else tmp_path)


@pytest.mark.parametrize('variable', [None, 'TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD'])
@pytest.mark.parametrize('door', ['resume', 'load_from', 'init_cfg of a config', 'mmqpt export'])
def test_neither_an_old_torch_nor_the_environment_opens_a_door(
    door, variable, target, tmp_path, tiny_pretrain, monkeypatch
):
    """torch before 2.6 runs code unless told not to; later ones do so by an environment variable."""
    allow_resume()
    if variable:
        monkeypatch.setenv(variable, '1')
    real = torch.load
    force = 'TORCH_FORCE_WEIGHTS_ONLY_LOAD'

    def load_as_before(*args, weights_only=None, **options):
        forced = os.environ.get(force) == '1'
        return real(*args, weights_only=bool(weights_only or forced), **options)

    monkeypatch.setattr(torch, 'load', load_as_before)
    with pytest.raises(InputError, match=r'evil\.pth'):
        DOORS[door](craft(tmp_path / 'evil.pth', target), tiny_pretrain, tmp_path)
    assert os.environ.get(force) is None
    assert variable is None or os.environ[variable] == '1'  # left as the user had it


def test_code_in_a_downloaded_checkpoint_does_not_run(target, tmp_path, monkeypatch):
    """torch.hub asks for everything, code included; here the file lies in its folder of downloads already."""
    allow_resume()
    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    (tmp_path / 'hub' / 'checkpoints').mkdir(parents=True)
    craft(tmp_path / 'hub' / 'checkpoints' / 'evil.pth', target)
    with pytest.raises(InputError, match=r'https://example\.org/evil\.pth: not a checkpoint that can be loaded safely'):
        load_checkpoint(torch.nn.Linear(2, 2), 'https://example.org/evil.pth')


def test_every_loader_of_mmengine_is_guarded():
    allow_resume()
    open_doors = [prefix for prefix, loader in CheckpointLoader._schemes.items() if not hasattr(loader, 'weights_only')]
    assert {'', 'https://'} <= set(CheckpointLoader._schemes)
    assert open_doors == []
    before = dict(CheckpointLoader._schemes)
    allow_resume()
    assert CheckpointLoader._schemes == before  # wrapped once


def test_mmengine_still_loads_its_own(pretrained_checkpoint):
    allow_resume()
    found = CheckpointLoader.load_checkpoint(str(pretrained_checkpoint), 'cpu')
    assert found['message_hub']['log_scalars']
    assert newest_checkpoint(pretrained_checkpoint.parent) == pretrained_checkpoint
    with pytest.raises(FileNotFoundError, match=r'gone\.pth'):
        CheckpointLoader.load_checkpoint('gone.pth', 'cpu')


def objects(path, target):
    """A .npz whose arrays are pickled objects."""
    np.savez(path, stamps=np.array([Writes(target)], object), features=np.zeros(1), bits=np.zeros((1, 128), np.uint8))
    return path


def test_code_in_a_cache_of_fingerprints_does_not_run(target, tmp_path, photo_folder):
    with pytest.raises(InputError, match=r'prints\.npz: not a cache of fingerprints, or a damaged one'):
        fingerprint_photos(photo_folder, ['astronaut_0.jpg'], objects(tmp_path / 'prints.npz', target), 1)


def test_code_in_a_store_of_features_does_not_run(target, tmp_path):
    with pytest.raises(InputError, match=r'f\.npz: a damaged store of features'):
        FeatureStore(tmp_path)._read(objects(tmp_path / 'f.npz', target))


def test_code_in_options_of_a_pyiqa_run_does_not_run(target, tmp_path):
    (tmp_path / 'o.yml').write_text(f'network: !!python/object/apply:builtins.open ["{target}", "w"]')
    (tmp_path / 'net.pth').write_bytes(b'')
    with pytest.raises(InputError, match=r'o\.yml: not the options of a run of pyiqa'):
        export_pyiqa(tmp_path / 'o.yml', tmp_path / 'net.pth', tmp_path / 'out.safetensors')


@pytest.mark.parametrize('meta', [[1], 'text', 7, {'mmqpt': [1]}, {'mmqpt': 'x'}, None])
def test_checkpoints_with_an_odd_meta(tmp_path, meta):
    torch.save({'state_dict': {}, 'meta': meta}, tmp_path / 'odd.pth')
    with pytest.raises(InputError, match=r'odd\.pth: not a checkpoint of mmqpt'):
        export_checkpoint(tmp_path / 'odd.pth', tmp_path / 'out.safetensors')


@pytest.mark.parametrize(
    'backbone',
    [
        {'type': 'subprocess.Popen', 'args': ['touch', 'TARGET']},
        {'type': 'ResNet', 'depth': 18, 'norm_cfg': {'type': 'subprocess.Popen', 'args': ['touch', 'TARGET']}},
        {'type': 'TIMMBackbone', 'model_name': 'hf-hub:someone/network'},
        {'type': 'TIMMBackbone', 'model_name': 'test_resnet', 'norm_layer': 'os.system'},
        {'type': 'torch.nn.Linear', 'in_features': 2, 'out_features': 2},
        {'type': ['ResNet']},
        'ResNet',
    ],
)
def test_what_a_checkpoint_calls_its_backbone_is_not_run(backbone, target, tmp_path):
    """MMEngine's registries import any name that has a dot, and call it with arguments of the config."""
    text = repr(backbone).replace('TARGET', str(target))
    meta = {'kind': 'backbone', 'backbone': eval(text), 'mean': [0, 0, 0], 'std': [1, 1, 1]}
    torch.save({'state_dict': {'backbone.a': torch.zeros(2)}, 'meta': {'mmqpt': meta}}, tmp_path / 'odd.pth')
    for export in (
        lambda: export_checkpoint(tmp_path / 'odd.pth', tmp_path / 'out.safetensors', backbone_name='resnet18'),
        lambda: export_backbone(tmp_path / 'odd.pth', tmp_path / 'out.pth', 'timm'),
    ):
        with pytest.raises(InputError, match=r'odd\.pth: (its backbone (has the type|must be)|timm has no model)'):
            export()


def test_what_onnxruntime_refuses_is_named(tmp_path):
    """The checksum is right, which anyone can see to, and the graph is not."""
    from onnx import TensorProto, helper

    from mmqpt.metric.onnx_file import INPUT, OUTPUT, open_session, seal, spec_text
    from tests.fuzz.seeds import spec

    graph = helper.make_graph(
        [helper.make_node('ReduceMean', [INPUT], [OUTPUT], axes=[-9], keepdims=0)], 'g',
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ['n', 3, 'h', 'w'])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ['n'])],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8)
    sealed = seal(model.SerializeToString(), spec_text({**spec(), 'weights_checksum': 'a' * 64}))
    (tmp_path / 'odd.onnx').write_bytes(sealed.data)
    file = read_onnx(tmp_path / 'odd.onnx')
    with pytest.raises(InputError, match=r'odd\.onnx: onnxruntime .* refuses the model'):
        open_session(file)


@pytest.mark.parametrize('value', [b'\xff\xfe', b'x'])
def test_onnx_metadata_that_is_no_text(value, tmp_path):
    import onnx

    model = onnx.ModelProto()
    model.metadata_props.add(key='mmqpt', value='TEXT')
    (tmp_path / 'odd.onnx').write_bytes(model.SerializeToString().replace(b'TEXT', value.ljust(4, b'\xff')))
    with pytest.raises(
        InputError, match=r'odd\.onnx \(sha256 .*\): (damaged: its metadata is no UTF-8|has no checksum)'
    ):
        read_onnx(tmp_path / 'odd.onnx')


def test_a_number_cut_off_in_a_pickle(tmp_path):
    """Found by fuzzing: torch lets struct.error out."""
    (tmp_path / 'cut.pth').write_bytes(pickle.dumps({'a': 1 << 20}, protocol=2)[:-5])
    with pytest.raises(InputError, match=r'cut\.pth: not a checkpoint that can be loaded safely'):
        load_checkpoint_file(tmp_path / 'cut.pth')


@pytest.mark.parametrize('change', [{'head': 7}, {'head': [1]}, {'view': 'x'}, {'nope': 1}, {'backbone_path': [1]}])
def test_options_of_a_pyiqa_run_of_any_shape(change, tmp_path):
    network = {'type': 'MMQPT', 'backbone_path': str(mmqpt.list_weights()['qpt']), **change}
    train = {'name': 'x', 'mos_normalize': True, 'mos_range': [1, 5]}
    (tmp_path / 'o.yml').write_text(yaml.safe_dump({'network': network, 'datasets': {'train': train}}))
    (tmp_path / 'net.pth').write_bytes(b'')
    with pytest.raises(InputError):
        export_pyiqa(tmp_path / 'o.yml', tmp_path / 'net.pth', tmp_path / 'out.safetensors')


@pytest.mark.parametrize(
    'change',
    [
        *({key: value} for key in ('mean', 'std', 'head', 'view', 'kind') for value in (None, 7, 'x', [], {'a': [1]})),
        *({'data': value} for value in (None, 7, [1])),
        {'input_size': 'x'}, {'input_size': -5}, {'input_size': 10**9}, {'scales': 7}, {'iterations': 'x', 'mean': 1},
    ],
)  # fmt: skip
def test_what_a_checkpoint_says_of_its_network_may_be_anything(change, tmp_path):
    from tests.fuzz import seeds

    meta = {**json.loads(seeds.export_metas()[0]), **change}
    torch.save({'state_dict': seeds.checkpoint_tensors(), 'meta': {'mmqpt': meta}}, tmp_path / 'odd.pth')
    message = 'odd.pth'
    try:
        export_checkpoint(tmp_path / 'odd.pth', tmp_path / 'out.safetensors')
    except InputError as error:
        message = str(error)
    assert 'odd.pth' in message


@pytest.mark.parametrize('state', [None, 7, [], {'a': 1}, {'backbone.timm_model.x': 'y'}])
def test_and_so_may_its_weights(state, tmp_path):
    from tests.fuzz import seeds

    torch.save({'state_dict': state, 'meta': {'mmqpt': json.loads(seeds.export_metas()[0])}}, tmp_path / 'odd.pth')
    with pytest.raises(InputError, match=r'odd\.pth'):
        export_checkpoint(tmp_path / 'odd.pth', tmp_path / 'out.safetensors')
