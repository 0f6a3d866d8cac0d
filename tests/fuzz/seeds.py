"""Whole files of every kind, to be damaged; tokens that readers stumble over."""

from __future__ import annotations

import dataclasses
import functools
import io
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

TOKENS: tuple[bytes, ...] = (
    *(b'', b'\0', b'\n', b'\r', b'"', b"'", b',', b'{', b'}', b'[', b']', b':', b'\\', b'-', b'../', b'/', b'C:\\'),
    *(b'NaN', b'Infinity', b'1e999', b'-1', b'0', b'1.5', b'true', b'null', b'{}', b'[]', b'""', b'9' * 5000),
    *(b'99999999999', b'[' * 3000, b'{"a":' * 3000, b'\xff' * 8, b'\0' * 8, b'\x7f\xff\xff\xff', b'\xff\xff\xff\x7f'),
    *(b'\\ud800', b'\xed\xa0\x80', b'\xef\xbb\xbf', b'\xe2\x80\xae', b'"type"', b'"subprocess.Popen"'),
    *(b'operators', b'levels', b'skip', b'order', b'weights', b'severity', b'options', b'preset', b'choice'),
    b'a' * 140_000,
)


def photos() -> list[bytes]:
    """Files of all formats, with EXIF, palettes, transparency, 16 bits, CMYK and several frames."""
    rng = np.random.default_rng(0)
    ramp = np.add.outer(np.arange(24), np.arange(32))[..., None] * np.array([4, 3, 2]) % 256
    rgb = Image.fromarray((ramp + rng.integers(0, 9, ramp.shape)).clip(0, 255).astype(np.uint8))
    grey16 = Image.fromarray(rng.integers(0, 65536, (24, 32)).astype(np.uint16))
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, 'a photo'
    found = [
        *[_file(rgb, kind) for kind in ('JPEG', 'PNG', 'WEBP', 'GIF', 'TIFF', 'BMP', 'PPM', 'JPEG2000')],
        *[_file(rgb, kind, exif=exif) for kind in ('JPEG', 'PNG', 'WEBP', 'TIFF')],
        _file(rgb, 'JPEG', progressive=True, subsampling=2),
        _file(rgb, 'WEBP', lossless=True),
        _file(rgb.convert('CMYK'), 'JPEG'),
        _file(rgb.convert('CMYK'), 'TIFF', compression='tiff_lzw'),
        _file(rgb.convert('L'), 'JPEG'),
        _file(rgb.convert('RGBA'), 'PNG'),
        _file(rgb.convert('LA'), 'PNG'),
        _file(rgb.quantize(16), 'PNG', transparency=1),
        _file(rgb.convert('1'), 'PNG'),
        _file(grey16, 'PNG'),
        _file(grey16, 'TIFF'),
        _file(rgb, 'TIFF', compression='tiff_adobe_deflate'),
        _file(rgb, 'TIFF', compression='jpeg'),
        *[
            _file(rgb, kind, save_all=True, append_images=[rgb.rotate(180)], duration=50)
            for kind in ('GIF', 'WEBP', 'PNG')
        ],
        _file(rgb, 'TIFF', save_all=True, append_images=[rgb.rotate(180)]),
        _file(rgb, 'MPO', save_all=True, append_images=[rgb.rotate(180)]),
    ]
    if 'AVIF' in Image.SAVE:
        found += [_file(rgb, 'AVIF'), _file(rgb.convert('RGBA'), 'AVIF')]
    try:
        import pillow_heif
    except ImportError:
        return found
    stream = io.BytesIO()
    pillow_heif.from_pillow(rgb).save(stream, format='HEIF')
    return [*found, stream.getvalue()]


def _file(image: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def recipes() -> list[bytes]:
    """JSON of recipes."""
    from mmqpt.degradations.recipe import Recipe
    from mmqpt.degradations.space import DegradationSpace

    rng = np.random.default_rng(0)
    drawn = [DegradationSpace.preset('large').draw(rng) for _ in range(6)]
    return [recipe.to_json().encode() for recipe in [Recipe(), *drawn]]


def spaces() -> list[bytes]:
    """JSON of the ``space`` of configs."""
    from mmqpt.degradations.table import OPERATORS

    names = list(OPERATORS)[:4]
    return [
        json.dumps(value).encode()
        for value in (
            {},
            {'preset': 'large', 'order': 3, 'skip': 0.25},
            {'operators': names, 'levels': [1, 2, 5], 'shuffle': False, 'choice': 'operator'},
            {'skip': {'geometry': 0.5, 'colour': 0}, 'weights': {names[0]: 2.5}, 'severity': [1, 2, 3, 2, 1]},
            {'options': [[names[0], 1, 1], [names[1], 5, 1]], 'choice': 'one'},
        )
    ]


def spec() -> dict[str, Any]:
    """Fields of a tiny metric, as in the metadata of weights."""
    from mmqpt.core.weights_spec import WeightsSpec

    fields = {
        'kind': 'metric', 'backbone': 'test_resnet', 'input_mean': (120, 110, 100), 'input_std': (58, 57, 57),
        'view': {'min_side': 32, 'max_side': 64, 'crop': None}, 'mos_range': (1, 5), 'dataset': 'made up',
        'head': {'type': 'QualityHead', 'channels': 384, 'hidden': 8, 'dropout': 0.1, 'pooling': 'last'},
    }  # fmt: skip
    return dataclasses.asdict(WeightsSpec(**fields))


def specs() -> list[bytes]:
    """JSON of metadata of weights."""
    plain = spec()
    head = {'type': 'DistributionHead', 'channels': 384, 'bins': 5, 'hidden': 0}
    return [
        json.dumps(value).encode()
        for value in (
            plain,
            {**plain, 'backbone': 'test_vit', 'backbone_args': {'img_size': 32}, 'head': head},
            {**plain, 'backbone_args': {'features_only': True, 'out_indices': [1, 2]}},
            {**plain, 'kind': 'backbone', 'head': None, 'view': None, 'mos_range': None},
        )
    ]


def weights() -> list[bytes]:
    """A file of weights of ours and a plain one."""
    import torch
    from safetensors.torch import save

    from mmqpt.core.weights_file import write_weights
    from mmqpt.core.weights_spec import WeightsSpec

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'w.safetensors'
        tensors = {'backbone.a': torch.arange(6.0).view(2, 3), 'head.b': torch.ones(2).half()}
        write_weights(path, tensors, WeightsSpec(**spec()))
        return [path.read_bytes(), save({'a': torch.zeros(2)}), save({}, {'mmqpt': '{}'})]


def checkpoints() -> list[bytes]:
    """Checkpoints as MMEngine writes them, in both formats of torch."""
    import torch
    from mmengine.logging.history_buffer import HistoryBuffer

    content = {
        'meta': {'mmqpt': {'kind': 'metric', 'mean': [1.0, 2.0, 3.0]}, 'seed': 1},
        'state_dict': {'backbone.a': torch.arange(6.0).view(2, 3), 'head.b': torch.ones(2, dtype=torch.int64)},
        'message_hub': {'log_scalars': {'loss': HistoryBuffer([1.0, 2.0], [1, 1])}},
        'value': np.float64(2.5),
    }
    found = []
    for new in (True, False):
        stream = io.BytesIO()
        torch.save(content, stream, _use_new_zipfile_serialization=new)
        found.append(stream.getvalue())
    return found


def arrays() -> list[bytes]:
    """Stores of features."""
    found = []
    for write in (np.savez, np.savez_compressed):
        stream = io.BytesIO()
        write(stream, stamps=np.array(['a|1|2', 'b|3|4']), features=np.ones((2, 3), np.float32))
        found.append(stream.getvalue())
    return found


def workbooks() -> list[bytes]:
    """An .xlsx file."""
    import openpyxl

    book = openpyxl.Workbook()
    for row in (['name', 'mos'], ['a.jpg', 1.5], ['b.jpg', '=1+1'], ['c.jpg', None]):
        book.active.append(row)
    stream = io.BytesIO()
    book.save(stream)
    return [stream.getvalue()]


def matlab() -> list[bytes]:
    """MATLAB files: packed, plain, and of version 4."""
    import scipy.io

    found = []
    names = np.array(['a.bmp', 'b.bmp'], object)
    for options in ({}, {'do_compression': True}, {'format': '4'}):
        stream = io.BytesIO()
        values = {'mos': np.array([1.5, 2.5])} | ({} if options.get('format') else {'names': names})
        scipy.io.savemat(stream, values, **options)
        found.append(stream.getvalue())
    return found


def onnx_files() -> list[bytes]:
    """A sealed model without a network's weights."""
    import onnx
    from onnx import TensorProto, helper

    from mmqpt.metric.onnx_file import INPUT, OUTPUT, seal, spec_text

    graph = helper.make_graph(
        [helper.make_node('ReduceMean', [INPUT], [OUTPUT], axes=[1, 2, 3], keepdims=0)], 'g',
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ['n', 3, 'h', 'w'])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ['n'])],
        [helper.make_tensor('c', TensorProto.FLOAT, [4], [1, 2, 3, 4])],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8)
    onnx.checker.check_model(model)
    return [seal(model.SerializeToString(), spec_text({**spec(), 'weights_checksum': 'a' * 64})).data]


CONFIG = 'finetune_efficientnet-lite0_1xb16-coslr_csv'
"""The config whose options are fuzzed."""


HEAD = {'type': 'QualityHead', 'channels': 96, 'hidden': 8, 'dropout': 0.1, 'pooling': 'last'}
"""Of a network that ``test_resnet`` of timm fits."""


@functools.cache
def metric_tensors() -> dict[str, Any]:
    """Of a tiny network and its head."""
    import torch

    from mmqpt.core.head import build_head
    from mmqpt.core.timm_backbone import create_timm_backbone

    torch.manual_seed(0)
    found = {f'backbone.{k}': v for k, v in create_timm_backbone('test_resnet', {}).state_dict().items()}
    return found | {f'head.{k}': v for k, v in build_head(HEAD).state_dict().items()}


def metric_specs() -> list[bytes]:
    """JSON of metadata that fits :func:`metric_tensors`."""
    view = {'min_side': 40, 'max_side': 64, 'crop': 32, 'places': 'five', 'flip': True}
    args = {'drop_path_rate': 0.1, 'in_chans': 3, 'output_stride': 32}
    changes: tuple[dict[str, Any], ...] = ({}, {'view': view}, {'backbone_args': args})
    return [json.dumps({**spec(), 'head': HEAD, **change}).encode() for change in changes]


@functools.cache
def checkpoint_tensors() -> dict[str, Any]:
    """:func:`metric_tensors` under the names of a checkpoint."""
    return {k.replace('backbone.', 'backbone.timm_model.'): v for k, v in metric_tensors().items()}


def export_metas() -> list[bytes]:
    """JSON of what ExportSpecHook writes, for :func:`checkpoint_tensors`."""
    whole: dict[str, Any] = {
        'kind': 'metric', 'backbone': {'type': 'TIMMBackbone', 'model_name': 'test_resnet'}, 'mean': [120, 110, 100],
        'std': [58, 57, 57], 'head': HEAD, 'view': {'min_side': 32}, 'input_size': 64,
        'data': {'dataset': 'x', 'mos_range': [1, 5]}, 'config_sha256': '0', 'iterations': 3, 'mmqpt_version': '0.2.0',
    }  # fmt: skip
    resnet = {'type': 'ResNet', 'depth': 18, 'norm_cfg': {'type': 'BN', 'eps': 1e-5}, 'out_indices': [0, 3]}
    start = {'type': 'Pretrained', 'checkpoint': 'x.pth'}
    changes = ({}, {'backbone': resnet}, {'backbone': {**whole['backbone'], 'init_cfg': start, 'drop_rate': 0.1}})
    return [json.dumps({**whole, **change}).encode() for change in changes]


def metas() -> list[bytes]:
    """What lies beside a file of scores."""
    whole = {
        'weights': 'qpt', 'weights_sha256': '0' * 64, 'view': {'min_side': 384, 'crop': None}, 'backbone': 'b',
        'dataset': None, 'mos_range': [1, 5], 'mmqpt_version': '0.2.0', 'kind': 'csv', 'folder': '/photos',
    }  # fmt: skip
    return [json.dumps(whole, indent=2).encode()]


def parquets() -> list[bytes]:
    """Files of scores, plain and compressed."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {'path': ['a.jpg', 'b.jpg'], 'score': [0.5, None], 'error': [None, 'gone'], 'flags': ['blank', '']}
    found = []
    for compression in ('none', 'snappy', 'zstd'):
        stream = io.BytesIO()
        pq.write_table(pa.table(columns), stream, compression=compression)
        found.append(stream.getvalue())
    return found


def values() -> list[bytes]:
    """Values of an environment variable."""
    return [
        b'data/photos',
        b"O'Brien",
        b'C:\\new',
        b'{{$HOME:x}}',
        b'1,5',
        b'a "b" {c} \\n',
        b'gr\xc3\xbc\xc3\x9fe \xff',
    ]


def options() -> list[bytes]:
    """Words after ``--cfg-options``, a line each."""
    lines = (
        'train_cfg.max_epochs=3',
        'model.view.min_side=64',
        'train_dataloader.batch_size=[1,(2,"a")]',
        'x.0.y=1e-3',
    )
    return [*(line.encode() for line in lines), '\n'.join(lines).encode(), b'crop=64\nmos_range=1,5\ndata_root=a b']


def records() -> list[bytes]:
    """A record of a bad step."""
    sample = {'name': 'a.jpg', 'index': 3, 'entropy': [1, 2, 3], 'positions': [[0, 1]], 'skipped': [['b', 'c']]}
    whole: dict[str, Any] = {
        'step': 2, 'epoch': 0, 'rank': 0, 'seed': 5, 'outputs': {'loss': 'nan'}, 'config': 'a = 1\n',
        'weights': 'step_2.pth', 'samples': [sample, sample],
    }  # fmt: skip
    return [json.dumps(whole).encode(), json.dumps({**whole, 'weights': None}).encode()]


def manifests() -> list[bytes]:
    """The manifest of a folder of shards."""
    sums = {'sha256': 'a', 'index_sha256': 'b', 'csv_sha256': 'c'}
    shard = {'name': 'photos-000000.tar', **sums, 'bytes': 9, 'photos': 1}
    return [json.dumps({'shards': [shard, shard], 'photos': 2}).encode()]
