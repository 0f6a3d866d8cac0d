"""The ONNX file: torch's scores for every backbone and size, and nothing unsafe or damaged is run."""

import copy
import json
import multiprocessing
import pickle

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors import safe_open

import mmqpt
from mmqpt.cli.main import cli
from mmqpt.core.errors import InputError
from mmqpt.core.head import build_head, pool_features
from mmqpt.core.timm_backbone import create_timm_backbone
from mmqpt.core.weights_file import write_weights
from mmqpt.core.weights_spec import WeightsSpec
from mmqpt.metric.open import open_scorer
from mmqpt.metric.score_many import score_many
from mmqpt.metric.torch_scorer import TorchScorer

onnx = pytest.importorskip('onnx')
onnxruntime = pytest.importorskip('onnxruntime')

from mmqpt.metric import onnx_export, onnx_file  # noqa: E402
from mmqpt.metric.onnx_export import export_onnx  # noqa: E402
from mmqpt.metric.onnx_file import read_onnx, seal  # noqa: E402
from mmqpt.metric.onnx_scorer import OnnxScorer  # noqa: E402

ANY = {'min_side': 32, 'max_side': 96, 'crop': None}
ONE = {'min_side': 32, 'max_side': None, 'crop': 32, 'flip': True}
STAGES = {'features_only': True}
JOINED = {'pooling': 'stages'}
SIZES = [(1, 1), (33, 41), (64, 32), (121, 100), (40, 100)]


def weights(path, name, args=None, view=None, head=None):
    """A file of random weights with scores that are spread."""
    args, head = args or {}, head or {}
    torch.manual_seed(0)
    backbone = create_timm_backbone(name, args).eval()
    side = args.get('img_size', 64)
    noise = torch.rand(4, 3, side, side) / torch.arange(1, 5).view(4, 1, 1, 1)
    with torch.no_grad():
        features = pool_features(backbone(4 * noise - 2), backbone, head.get('pooling', 'last'))
        head = {'channels': features.shape[1], 'hidden': 8, **head}
        layers = build_head(head)
        layers.layers[1].weight *= 20 / features.std(dim=0).norm()
        layers.layers[1].bias.copy_(-layers.layers[1].weight @ features.mean(dim=0))
    tensors = {f'backbone.{key}': value.contiguous() for key, value in backbone.state_dict().items()}
    tensors |= {f'head.{key}': value for key, value in layers.state_dict().items()}
    spec = WeightsSpec('metric', name, (127.0, 120.0, 130.0), (64.0,) * 3, args, view or ANY, head, (1, 5))
    write_weights(path, tensors, spec)
    return path


@pytest.fixture(scope='module')
def exported(metric_weights, tmp_path_factory):
    path = tmp_path_factory.mktemp('onnx') / 'new' / 'qpt.onnx'
    export_onnx(metric_weights, path)
    return path


SWIN = 'swin_tiny_patch4_window7_224'
CASES = [
    ('test_resnet', {}, ANY, {}),
    ('test_resnet', STAGES, {**ANY, 'crop': 32, 'places': 'five', 'flip': True}, JOINED),
    ('test_resnet', STAGES, ANY, {'pooling': 'moments'}),
    ('test_resnet', {}, {**ANY, 'crop': 20}, {'type': 'DistributionHead', 'bins': 5}),
    ('tf_efficientnet_lite0', {}, ANY, {}),
    ('tf_efficientnet_lite0', {**STAGES, 'out_indices': [2, 4]}, ANY, JOINED),
    ('test_convnext', {**STAGES, 'out_indices': [1, 3]}, ANY, JOINED),
    ('test_vit', {'img_size': 32}, ONE, {}),
    ('test_vit', {**STAGES, 'img_size': 32, 'out_indices': [1, 5]}, ONE, JOINED),
    pytest.param('resnet50', {}, ANY, {}, marks=pytest.mark.slow),
    pytest.param('convnext_tiny', {}, ANY, {}, marks=pytest.mark.slow),
    pytest.param(SWIN, {'img_size': 32}, ONE, {}, marks=pytest.mark.slow),
    pytest.param(SWIN, {'img_size': 32, 'strict_img_size': False}, {**ONE, 'crop': 28}, {}, marks=pytest.mark.slow),
    pytest.param(SWIN, {**STAGES, 'img_size': 32}, ONE, JOINED, marks=pytest.mark.slow),
    pytest.param('vit_small_patch16_224', {'img_size': 32}, ONE, {}, marks=pytest.mark.slow),
]


@pytest.mark.parametrize(('name', 'args', 'view', 'head'), CASES)
def test_scores_as_torch_does(name, args, view, head, tmp_path):
    path = weights(tmp_path / 'w.safetensors', name, args, view, head)
    export_onnx(path, tmp_path / 'w.onnx')
    ours, theirs = TorchScorer(path, 'cpu'), open_scorer(tmp_path / 'w.onnx', 'cpu')
    assert theirs.spec == ours.spec
    assert theirs.view == ours.view
    rng = np.random.default_rng(0)
    photos = [rng.integers(0, 256, (*size, 3), np.uint8) // (1 + number) for number, size in enumerate(SIZES)]
    wanted = [ours.score(photo) for photo in photos]
    assert np.ptp(wanted) > 1e-3  # else any graph would do
    assert [theirs.score(photo) for photo in photos] == pytest.approx(wanted, abs=1e-5)
    batch = torch.stack([torch.from_numpy(rng.integers(0, 256, (3, 32, 32), np.uint8)) for _ in range(3)])
    for images in (batch, batch / 255):
        scores = theirs.score_batch(images)
        assert scores.dtype == np.float64
        np.testing.assert_allclose(scores, ours.score_batch(images), atol=1e-5)


@pytest.mark.parametrize('size', [(32, 32), (33, 41), (34, 47), (67, 95), (129, 70)])
def test_paddings_follow_the_size(size, tmp_path):
    """tf_efficientnet pads by the size of the photo: every remainder of its strides, not only the traced one."""
    path = weights(tmp_path / 'w.safetensors', 'test_efficientnet', {'pad_type': 'same'})
    file = export_onnx(path, tmp_path / 'w.onnx')
    assert file.size is None
    session = onnxruntime.InferenceSession(str(tmp_path / 'w.onnx'))
    photos = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        wanted = TorchScorer(path, 'cpu').net.score_view(photos)
    found = session.run(['scores'], {'photos': photos.numpy()})[0]
    np.testing.assert_allclose(found, wanted.numpy(), atol=1e-6)
    assert 'Pad' not in {node.op_type for node in onnx.load(tmp_path / 'w.onnx').graph.node}


def test_other_paddings_stay():
    """Only what pads before a convolution that is named goes, with what it alone needed."""
    make = onnx.helper.make_node
    shape, weight = [1, 2, 'h', 'w'], np.ones((2, 2, 3, 3), np.float32)
    pads = np.array([0, 0, 0, 0, 0, 0, 1, 1])
    nodes = [
        make('Identity', ['pads_0'], ['pads']),
        make('Pad', ['x', 'pads'], ['a']),
        make('Conv', ['a', 'w'], ['b'], strides=[2, 2], pads=[0, 0, 0, 0]),
        make('Pad', ['b', 'pads_0'], ['c']),
        make('Conv', ['c', 'v'], ['y']),
    ]
    values = {'pads_0': pads, 'w': weight, 'v': weight, 'unused': weight}
    tensors = [onnx.numpy_helper.from_array(value, name) for name, value in values.items()]
    ends = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name in ('x', 'y')]
    graph = onnx.helper.make_graph(nodes, 'g', ends[:1], ends[1:], tensors)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid('', 18)], ir_version=10)
    before = model.SerializeToString()
    after = onnx_export.pad_within(before, {'w'})
    found = onnx.load_model_from_string(after).graph
    assert [node.op_type for node in found.node] == ['Conv', 'Pad', 'Conv']
    assert [tensor.name for tensor in found.initializer] == ['pads_0', 'w', 'v']
    x = {'x': np.random.default_rng(0).random((1, 2, 12, 8), np.float32)}
    old, new = (onnxruntime.InferenceSession(data).run(None, x)[0] for data in (before, after))
    np.testing.assert_allclose(new, old, rtol=1e-5)


def test_what_inner_graphs_take_stays():
    make, value = onnx.helper.make_node, onnx.helper.make_tensor_value_info
    inner = [
        onnx.helper.make_graph([make('Mul', ['neg', 'two'], ['twice'])], 'a', [], [value('twice', 1, None)]),
        onnx.helper.make_graph([make('Identity', ['neg'], ['same'])], 'b', [], [value('same', 1, None)]),
    ]
    nodes = [
        make('Neg', ['x'], ['neg']),
        make('Neg', ['x'], ['unused']),
        make('If', ['yes'], ['y'], then_branch=inner[0], else_branch=inner[1]),
    ]
    tensors = [onnx.numpy_helper.from_array(np.array(v), n) for n, v in (('yes', True), ('two', np.float32(2)))]
    graph = onnx.helper.make_graph(nodes, 'g', [value('x', 1, [1])], [value('y', 1, None)], tensors)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid('', 18)], ir_version=10)
    after = onnx_export.pad_within(model.SerializeToString(), {'w'})
    assert [node.op_type for node in onnx.load_model_from_string(after).graph.node] == ['Neg', 'If']
    assert onnxruntime.InferenceSession(after).run(None, {'x': np.float32([3])})[0] == [-6]


def test_the_file_says_everything(exported, metric_weights):
    model = onnx.load(exported)
    spec = json.loads({prop.key: prop.value for prop in model.metadata_props}['mmqpt'])
    assert spec['view'] == {'min_side': 64, 'max_side': 128, 'crop': None}
    assert spec['mos_range'] == [1, 5]
    assert spec['weights_checksum'] == read_onnx(exported).weights_checksum
    with safe_open(str(metric_weights), framework='pt') as file:
        assert file.metadata()['mmqpt_sha256'] == spec['weights_checksum']
    [shape] = [value.type.tensor_type.shape.dim for value in model.graph.input]
    assert [dim.dim_param or dim.dim_value for dim in shape] == ['batch', 3, 'height', 'width']
    onnx.checker.check_model(model, full_check=True)


def test_many_photos_and_threads(exported, metric_weights, photo_folder):
    paths = sorted(photo_folder.iterdir())
    wanted = [TorchScorer(metric_weights, 'cpu').score(path) for path in paths]
    for batch in (1, 3):
        found = score_many(OnnxScorer(exported, 'cpu', threads=1), paths, batch=batch, workers=2)
        assert [one.score for one in found] == pytest.approx(wanted, abs=1e-5)


def test_mmqpt_score_and_the_command_line_take_it(exported, metric_weights, photo_folder, tmp_path):
    path = photo_folder / 'coffee_0.jpg'
    expected = TorchScorer(metric_weights, 'cpu').score(path)
    assert mmqpt.score(path, exported, 'cpu') == pytest.approx(expected, abs=1e-4)
    done = CliRunner().invoke(cli, ['score', str(path), '--weights', str(exported), '--device', 'cpu'])
    assert done.exit_code == 0, done.output
    assert float(done.stdout.split('\t')[0]) == pytest.approx(expected, abs=1e-4)


def test_open_scorer(exported, metric_weights):
    assert type(open_scorer(metric_weights, 'cpu')) is TorchScorer
    assert type(open_scorer(str(exported))) is OnnxScorer
    with pytest.raises(InputError, match=r"device 'cuda:7' is not available to onnxruntime|refuses"):
        open_scorer(exported, 'cuda:7')
    with pytest.raises(InputError, match=r"device 'toaster' is not available here"):
        open_scorer(exported, 'toaster')
    with pytest.raises(InputError, match='threads must be >= 1, got 0'):
        OnnxScorer(exported, threads=0)


def test_one_size_only(tmp_path):
    path = weights(tmp_path / 'w.safetensors', 'test_vit', {'img_size': 32}, {**ONE, 'max_side': 64})
    assert export_onnx(path, tmp_path / 'w.onnx').size == (32, 32)
    with pytest.raises(InputError, match=r'takes \(32, 32\) px \(height, width\) only, got \(20, 32\)'):
        OnnxScorer(tmp_path / 'w.onnx', 'cpu').score_batch(torch.zeros(1, 3, 20, 64))


def test_what_can_not_be_exported_is_refused(tmp_path, pretrained_checkpoint):
    out = tmp_path / 'w.onnx'
    dynamic = {'img_size': 32, 'dynamic_img_size': True, 'dynamic_img_pad': True}
    path = weights(tmp_path / 'w.safetensors', 'test_vit', dynamic)
    with pytest.raises(InputError, match=r'w\.safetensors: its test_vit,? .*(exported to ONNX)'):
        export_onnx(path, out)
    with pytest.raises(InputError, match=r'must end with \.onnx, got .*w\.pb'):
        export_onnx(path, tmp_path / 'w.pb')
    with pytest.raises(FileNotFoundError, match='no such file of weights'):
        export_onnx(tmp_path / 'none.safetensors', out)
    assert sorted(file.name for file in tmp_path.iterdir()) == ['w.safetensors']


def test_other_scores_are_not_written(metric_weights, tmp_path, monkeypatch):
    graph = onnx_export._graph

    def wrong(net, sizes):
        model = onnx.load_model_from_string(graph(net, sizes))
        name = next(tensor.name for tensor in model.graph.initializer if 'head' in tensor.name)
        for tensor in model.graph.initializer:
            if tensor.name == name:
                tensor.raw_data = (onnx.numpy_helper.to_array(tensor) + 0.5).astype(np.float32).tobytes()
        return model.SerializeToString()

    monkeypatch.setattr(onnx_export, '_graph', wrong)
    with pytest.raises(InputError, match=r'gives other scores at 1 photos of \d+x\d+ px \(by .*; not written'):
        export_onnx(metric_weights, tmp_path / 'w.onnx')
    assert not list(tmp_path.iterdir())


def changed(exported, path, change):
    """The file with its graph changed and a right checksum, as an attacker would make it."""
    model = onnx.load(exported)
    spec = next(prop.value for prop in model.metadata_props if prop.key == 'mmqpt')
    change(model)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(onnx.checker, 'check_model', lambda model: None)
        patch.setattr(onnx_file, 'check_onnx', lambda data, name: data)
        path.write_bytes(seal(model.SerializeToString(), spec))
    return path


def external(model):
    tensor = model.graph.initializer[0]
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key='location', value='secret')


def custom(model):
    model.graph.node[0].domain = 'com.evil'


def inner(model):
    """In the branch of an If."""
    node = onnx.helper.make_node('Thing', [], ['y'], domain='com.evil')
    branch = onnx.helper.make_graph([node], 'g', [], [])
    model.graph.node.append(onnx.helper.make_node('If', ['x'], ['z'], then_branch=branch, else_branch=branch))


def constant(model):
    tensor = onnx.helper.make_tensor('t', onnx.TensorProto.FLOAT, [1], [0.0])
    tensor.data_location = onnx.TensorProto.EXTERNAL
    model.graph.node.append(onnx.helper.make_node('Constant', [], ['c'], value=tensor))


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (external, 'has tensors in another file'),
        (constant, 'has tensors in another file'),
        (custom, r'needs the operator \w+ from outside of ONNX \(com.evil\)'),
        (inner, r'needs the operator Thing from outside of ONNX \(com.evil\)'),
        (lambda model: model.functions.add(name='f'), 'has functions'),
        (lambda model: setattr(model.graph.input[0], 'name', 'x'), 'not a network of'),
    ],
    ids=['external', 'constant', 'custom', 'inner', 'function', 'input'],
)
def test_unsafe_files_are_refused(change, message, exported, tmp_path):
    with pytest.raises(InputError, match=rf'bad\.onnx \(sha256 [0-9a-f]{{64}}\): {message}'):
        OnnxScorer(changed(exported, tmp_path / 'bad.onnx', change), 'cpu')


def test_damaged_and_other_files_are_refused(exported, metric_weights, tmp_path):
    data = exported.read_bytes()
    other = onnx.helper.make_model(onnx.helper.make_graph([], 'g', [], []))
    middle = len(data) // 2
    for name, content, message in (
        (
            'bit',
            data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :],
            'damaged: its content has the checksum',
        ),
        ('cut', data[:middle], 'not an ONNX file'),
        ('weights', metric_weights.read_bytes(), 'not an ONNX file'),
        ('empty', b'', 'not an ONNX file'),
        ('other', other.SerializeToString(), 'not an ONNX file that mmqpt exported'),
    ):
        (tmp_path / f'{name}.onnx').write_bytes(content)
        with pytest.raises(InputError, match=rf'{name}\.onnx \(sha256 [0-9a-f]{{64}}\): {message}'):
            OnnxScorer(tmp_path / f'{name}.onnx', 'cpu')
    with pytest.raises(FileNotFoundError, match='no such file of weights'):
        OnnxScorer(tmp_path / 'none.onnx')


def test_every_flipped_byte_of_the_head_of_the_file_is_noticed(exported, tmp_path):
    data = bytearray(exported.read_bytes())
    for at in [*range(0, 60), *range(len(data) - 900, len(data), 29)]:
        bad = bytearray(data)
        bad[at] ^= 0x10
        (tmp_path / 'bad.onnx').write_bytes(bad)
        with pytest.raises(InputError, match='sha256'):
            read_onnx(tmp_path / 'bad.onnx')


def test_files_of_an_older_mmqpt_are_not_called_damaged(exported, tmp_path):
    model = onnx.load(exported)
    spec = json.loads(next(prop.value for prop in model.metadata_props if prop.key == 'mmqpt'))
    spec['weights_sha256'] = spec.pop('weights_checksum')
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(onnx_file, 'check_onnx', lambda data, name: data)
        (tmp_path / 'old.onnx').write_bytes(seal(model.SerializeToString(), json.dumps(spec)))
    onnx.helper.set_model_props(model, {'mmqpt': json.dumps(spec)})
    onnx.save(model, tmp_path / 'older.onnx')
    for name, what in (('old', 'weights_sha256 for weights_checksum'), ('older', 'no checksum')):
        message = rf'{name}\.onnx \(sha256 \w{{64}}\): has {what} \(made by an older mmqpt\); export it again$'
        with pytest.raises(InputError, match=message):
            read_onnx(tmp_path / f'{name}.onnx')


def score_there(scorer, photo, results):
    results.put(scorer.score(photo))


def test_crosses_process_borders(exported, photos, tmp_path):
    scorer = OnnxScorer(exported, 'cpu', threads=1)
    photo = photos[0][:90, :120].copy()
    wanted = scorer.score(photo)
    sent = pickle.dumps(scorer)
    twice = pickle.loads(pickle.dumps(copy.deepcopy(scorer)))
    for one in (pickle.loads(sent), copy.deepcopy(scorer), copy.copy(scorer), twice):
        assert type(one) is OnnxScorer
        assert one.spec == scorer.spec
        assert one.score(photo) == wanted
    context = multiprocessing.get_context('spawn')
    results = context.SimpleQueue()
    process = context.Process(target=score_there, args=(scorer, photo, results))
    process.start()
    process.join(120)
    assert results.get() == pytest.approx(wanted, abs=1e-6)
