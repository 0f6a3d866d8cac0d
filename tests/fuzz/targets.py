"""The readers that are fuzzed, each with what must hold: a right result, or an error of ours that names the file."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import math
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mmqpt.core.errors import InputError, PhotoError
from tests.fuzz import seeds


@dataclasses.dataclass(frozen=True)
class Target:
    """One reader.

    Args:
        seeds: whole files to be damaged.
        check: reads the bytes; raises for a wrong result, and whatever the reader raises. Gets a folder to write to.
        errors: what the reader may raise; the message must have the name of the file, ``fuzzed``.
        is_text: whether tokens of texts are worth trying in most places.
    """

    seeds: Callable[[], list[bytes]]
    check: Callable[[bytes, Path], Any]
    errors: tuple[type[Exception], ...] = (InputError,)
    is_text: bool = False


def run(target: Target, data: bytes, folder: Path) -> bool:
    """Whether the bytes were read; False where they were refused as they should be. Anything else raises."""
    try:
        target.check(data, folder)
    except target.errors as error:
        if 'fuzzed' not in str(error):
            raise AssertionError(f'the error does not name the file: {type(error).__name__}: {error}') from error
        return False
    return True


def _need(rule: bool, what: object) -> None:
    if not rule:
        raise AssertionError(f'broken rule: {what}')


def _saved(data: bytes, folder: Path, name: str) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def _photo(data: bytes, folder: Path) -> None:
    from mmqpt.core.photo import read_photo

    for side in (None, 8):
        out = read_photo(data, 'fuzzed', min_side=side)
        _need(out.dtype == np.uint8 and out.ndim == 3 and out.shape[2] == 3, (out.dtype, out.shape))
        _need(out.size > 0 and out.flags.c_contiguous and out.flags.writeable, out.flags)


def _recipe(data: bytes, folder: Path) -> None:
    from mmqpt.degradations.recipe import Recipe

    try:
        found = Recipe.from_json(data.decode('utf-8', 'surrogatepass'))
    except UnicodeDecodeError:
        return
    except InputError as error:  # has a text and no file
        raise InputError(f'fuzzed: {error}') from error
    _need(Recipe.from_json(found.to_json()) == found, found)


def _space(data: bytes, folder: Path) -> None:
    from mmqpt.degradations.space import DegradationSpace

    try:
        config = json.loads(data)
    except (ValueError, RecursionError):
        return
    if not isinstance(config, dict):
        return
    try:
        space = DegradationSpace.from_config(config)
    except InputError as error:  # has a dict and no file
        raise InputError(f'fuzzed: {error}') from error
    recipe = space.draw(np.random.default_rng(0))
    _need(recipe in space and space.size() >= 2, recipe)


def _weights(data: bytes, folder: Path) -> None:
    from mmqpt.core.weights_file import read_weights
    from mmqpt.core.weights_spec import read_metadata
    from mmqpt.metric.load_backbone import _read

    path = _saved(data, folder, 'fuzzed.safetensors')
    read_metadata(path)
    _read(str(path))
    tensors, spec = read_weights(path)
    _need(bool(spec.kind in ('metric', 'backbone') and isinstance(tensors, dict)), spec)


def _spec(data: bytes, folder: Path) -> None:
    """The spec in a file whose checksum is right: a stranger can compute that, too."""
    import torch
    from safetensors.torch import save

    from mmqpt.core.weights_file import checksum
    from mmqpt.core.weights_spec import CHECKSUM_KEY, SPEC_KEY
    from mmqpt.metric.arch import MMQPT

    try:
        text = data.decode()
    except UnicodeDecodeError:
        return
    tensors = {'backbone.a': torch.zeros(2)}
    metadata = {SPEC_KEY: text, CHECKSUM_KEY: checksum(text, tensors)}
    MMQPT(_saved(save(tensors, metadata), folder, 'fuzzed.safetensors'))
    raise AssertionError('two numbers are no network')


def _checkpoint(data: bytes, folder: Path) -> None:
    from mmqpt.models.checkpoint import export_spec_of, load_checkpoint_file

    found = load_checkpoint_file(_saved(data, folder, 'fuzzed.pth'))
    _need(isinstance(export_spec_of(found), dict), found.keys())


def _pickle(data: bytes, folder: Path) -> None:
    """The pickle in a checkpoint whose archive is whole."""
    with zipfile.ZipFile(io.BytesIO(seeds.checkpoints()[0])) as whole:
        parts = {name: whole.read(name) for name in whole.namelist()}
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, 'w') as made:
        for name, part in parts.items():
            made.writestr(name, data if name.endswith('data.pkl') else part)
    _checkpoint(stream.getvalue(), folder)


def _pickles() -> list[bytes]:
    with zipfile.ZipFile(io.BytesIO(seeds.checkpoints()[0])) as whole:
        return [next(whole.read(name) for name in whole.namelist() if name.endswith('data.pkl'))]


def _ratings(data: bytes, folder: Path) -> None:
    from mmqpt.datasets.rated.ratings import read_ratings

    for rating in read_ratings(_saved(data, folder, 'fuzzed.csv'), (1, 5)):
        _need(1 <= rating.mos <= 5 and '..' not in Path(rating.name).parts, rating)


def _labels(data: bytes, folder: Path) -> None:
    from mmqpt.datasets.rated.readers.generic import read_meta_info

    read_meta_info(_saved(data, folder, 'fuzzed.csv'), folder)


def _set(data: bytes, folder: Path) -> None:
    from mmqpt.datasets.rated.sets import read_set

    _saved(b'name,mos,split\na.jpg,1.5,train\nb.jpg,2,test\n', folder, 'fuzzed.csv')
    _saved(data, folder, 'fuzzed.json')
    low, high = read_set(folder / 'fuzzed.csv').info.mos_range
    _need(low < high, (low, high))


def _workbook(data: bytes, folder: Path) -> None:
    from mmqpt.datasets.rated.readers.labels import read_excel

    rows = read_excel(_saved(data, folder, 'fuzzed.xlsx'), ['name', 'mos'])
    _need(all(isinstance(value, str) for row in rows for value in row.values()), rows)


def _matlab(data: bytes, folder: Path) -> None:
    from mmqpt.datasets.rated.readers.labels import read_mat

    read_mat(_saved(data, folder, 'fuzzed.mat'), 'mos', 'names')
    read_mat(folder / 'fuzzed.mat', 'names', 'mos')


def _photo_list(data: bytes, folder: Path) -> None:
    from mmqpt.datasets.photos.folder import list_photos

    (folder / 'photos').mkdir(exist_ok=True)
    for name in ('a.jpg', 'b.jpg'):
        (folder / 'photos' / name).touch()
    outside = folder / 'outside.jpg'
    outside.touch()
    found = list_photos(folder / 'photos', _saved(data, folder, 'fuzzed.txt'))
    _need(outside not in [Path(os.path.normpath(path)) for path in found], found)


def _scores(data: bytes, folder: Path) -> None:
    from mmqpt.cli.report_page import write_page
    from mmqpt.cli.results import read_scores
    from mmqpt.cli.terminal import printable

    for name in ('fuzzed.csv', 'fuzzed.jsonl'):
        try:
            rows, _ = read_scores(str(_saved(data, folder, name)))
        except InputError as error:
            if name == 'fuzzed.jsonl' or 'fuzzed' not in str(error):
                raise
            continue
        _need(all(row.score is None or math.isfinite(row.score) for row in rows), rows)
        _need(all(printable(row.name).isprintable() for row in rows), rows)
        write_page(str(folder / 'page.html'), 'x', rows, {})


def _predictions(data: bytes, folder: Path) -> None:
    from mmqpt.evaluation.statistics.predictions import read_predictions

    found = read_predictions(_saved(data, folder, 'fuzzed.csv'))
    _need(len(found.names) == len(found.mos) == len(found.subsets), found)


def _features(data: bytes, folder: Path) -> None:
    from mmqpt.evaluation.protocols.features import FeatureStore

    FeatureStore(folder)._read(_saved(data, folder, 'fuzzed.npz'))


def _onnx(data: bytes, folder: Path) -> None:
    from mmqpt.metric.onnx_file import open_session, read_onnx

    open_session(read_onnx(_saved(data, folder, 'fuzzed.onnx')))


def _sealed_onnx(data: bytes, folder: Path) -> None:
    """A model whose checksum is right."""
    import onnx

    from mmqpt.metric.onnx_file import check_onnx, open_session, seal, spec_text

    try:
        sealed = seal(data, spec_text({**seeds.spec(), 'weights_checksum': 'a' * 64})).data
    except InputError:
        return
    except Exception as error:  # onnx's own checks, which run when a file is made
        if type(error).__module__.startswith(('onnx', 'google')) or isinstance(error, (ValueError, TypeError)):
            return
        raise
    del onnx
    open_session(check_onnx(sealed, 'fuzzed'))


def _meta(data: bytes, folder: Path) -> None:
    """What lies beside a file of scores."""
    from mmqpt.cli.report_page import write_page
    from mmqpt.cli.results import read_scores

    _saved(b'"path","score","error"\n"a.jpg",0.5,""\n', folder, 'fuzzed.csv')
    _saved(data, folder, 'fuzzed.csv.meta.json')
    rows, meta = read_scores(str(folder / 'fuzzed.csv'))
    write_page(str(folder / 'page.html'), 'x', rows, meta, str(meta.get('folder') or ''))


def _parquet(data: bytes, folder: Path) -> None:
    from mmqpt.cli.results import read_scores

    rows, _ = read_scores(str(_saved(data, folder, 'fuzzed.parquet')))
    _need(all(row.score is None or math.isfinite(row.score) for row in rows), rows)


def _metric(data: bytes, folder: Path) -> None:
    """A spec beside the tensors of a network that could score, with the right checksum."""
    import torch
    from safetensors.torch import save

    from mmqpt.core.weights_file import checksum
    from mmqpt.core.weights_spec import CHECKSUM_KEY, SPEC_KEY
    from mmqpt.metric.arch import MMQPT
    from mmqpt.metric.load_backbone import load_backbone

    try:
        text = data.decode()
    except UnicodeDecodeError:
        return
    tensors = seeds.metric_tensors()
    path = _saved(save(tensors, {SPEC_KEY: text, CHECKSUM_KEY: checksum(text, tensors)}), folder, 'fuzzed.safetensors')
    try:
        load_backbone(torch.nn.Linear(2, 2), path)
    except InputError as error:
        _need('fuzzed' in str(error), error)
    net = MMQPT(path)
    net.fold()
    _need(net(torch.zeros(1, 3, 40, 33)).shape == (1, 1), net)


def _export(data: bytes, folder: Path) -> None:
    """What a checkpoint says of its network, beside weights that a network could have."""
    import torch

    from mmqpt.export.convert import export_backbone, export_checkpoint

    try:
        meta = json.loads(data)
    except (ValueError, RecursionError):
        return
    path = folder / 'fuzzed.pth'
    torch.save({'state_dict': seeds.checkpoint_tensors(), 'meta': {'mmqpt': meta}}, path)
    refused: InputError | None = None
    try:
        export_backbone(path, folder / 'out.pth', 'timm')
    except InputError as error:
        refused = error
    _need(refused is None or 'fuzzed' in str(refused), refused)
    export_checkpoint(path, folder / 'out.safetensors')


def _variable(data: bytes, folder: Path) -> None:
    """A value of an environment variable, in and outside of strings of a config."""
    from mmqpt.engine.config_file import config_from_text, read_config

    value = os.fsdecode(data.replace(b'\0', b'')[:100_000])
    if not value.strip():
        return
    text = b'a = \'{{$FUZZED:x}}\'\nb = r\'p{{$FUZZED:x}}q\'\nc = dict(d=["""{{$FUZZED:x}}"""])\n'
    _saved(text, folder, 'fuzzed.py')
    os.environ['FUZZED'] = value
    try:
        cfg = read_config(folder / 'fuzzed.py')
        _need(cfg.a == cfg.c.d[0] == value and cfg.b == f'p{value}q', cfg.a)
        _need(config_from_text(cfg.pretty_text).to_dict() == cfg.to_dict(), cfg.pretty_text)
        _saved(b"e = [{{'$FUZZED:1,2'}}]\n", folder, 'fuzzed.py')
        read_config(folder / 'fuzzed.py')
    finally:
        del os.environ['FUZZED']


def _options(data: bytes, folder: Path) -> None:
    """``--cfg-options`` of a shipped config, a line each."""
    import argparse

    import click

    from mmqpt.cli.configs import find_config
    from mmqpt.cli.options import Parser, add_cfg_options
    from mmqpt.engine.launch import load_config

    try:
        words = [word for word in data.decode().split('\n') if word and '\0' not in word]
    except UnicodeDecodeError:
        return
    parser = Parser('fuzzed', add_help=False)
    add_cfg_options(parser)
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            given = parser.parse_args(['--cfg-options', *words]).cfg_options
        config = find_config(seeds.CONFIG)
        args = argparse.Namespace(config=config, launcher='none', local_rank=0, work_dir=str(folder), cfg_options=given)
        _need(isinstance(load_config(args).pretty_text, str), given)
    except (InputError, click.UsageError) as error:  # about options, not about a file
        raise InputError(f'fuzzed: {error}') from error


def _record(data: bytes, folder: Path) -> None:
    """``bad_steps/*.json``, up to its config, which is code."""
    from mmqpt.engine.replay import read_record

    record = read_record(_saved(data, folder, 'fuzzed.json'))
    _need(isinstance(record['config'], str) and bool(record['samples']), record)


def _cell(data: bytes, folder: Path) -> None:
    """A cell, and a whole results.json."""
    from mmqpt.evaluation.protocols.cells import _read_cell
    from mmqpt.evaluation.reports.findings import read_results

    try:
        read_results(_saved(data, folder, 'results.json').parent)
    except InputError as error:
        _need('results.json' in str(error), error)
    found = _read_cell(_saved(data, folder, 'fuzzed.json'))
    _need(isinstance(found['cell'], dict), found)


def _manifest(data: bytes, folder: Path) -> None:
    from mmqpt.datasets.photos.shard_files import read_manifest

    (folder / 'fuzzed').mkdir(exist_ok=True)
    for shard in read_manifest(_saved(data, folder / 'fuzzed', 'manifest.json').parent)['shards']:
        _need(Path(shard['name']).name == shard['name'], shard)


def _table() -> list[bytes]:
    return [
        b'name,mos,scene,split\na.jpg,1.5,x,train\nb/c.jpg,4,y,test\n',
        b'"name",mos\r\n"a ""b"".jpg",2\r\n\r\nc.jpg,3\r\n',
    ]


TARGETS: dict[str, Target] = {
    'photo': Target(seeds.photos, _photo, (PhotoError,)),
    'recipe': Target(seeds.recipes, _recipe, is_text=True),
    'space': Target(seeds.spaces, _space, is_text=True),
    'weights': Target(seeds.weights, _weights),
    'spec': Target(seeds.specs, _spec, is_text=True),
    'checkpoint': Target(seeds.checkpoints, _checkpoint),
    'pickle': Target(_pickles, _pickle),
    'metric': Target(seeds.metric_specs, _metric, is_text=True),
    'export': Target(seeds.export_metas, _export, is_text=True),
    'meta': Target(seeds.metas, _meta, is_text=True),
    'parquet': Target(seeds.parquets, _parquet),
    'variable': Target(seeds.values, _variable, is_text=True),
    'options': Target(seeds.options, _options, is_text=True),
    'record': Target(seeds.records, _record, is_text=True),
    'cell': Target(lambda: [b'{"key": {"a": 1}, "cell": {"b": [0.5], "format": 1}}'], _cell, is_text=True),
    'manifest': Target(seeds.manifests, _manifest, is_text=True),
    'ratings': Target(_table, _ratings, is_text=True),
    'labels': Target(_table, _labels, is_text=True),
    'set': Target(
        lambda: [b'{"name": "x", "mos_range": [1, 5], "group_column": null, "splits": {"split": "official"}}'],
        _set, is_text=True,
    ),
    'workbook': Target(seeds.workbooks, _workbook),
    'matlab': Target(seeds.matlab, _matlab),
    'photo list': Target(lambda: [b'a.jpg\nb.jpg\n', b'\xef\xbb\xbfa.jpg\r\n'], _photo_list, is_text=True),
    'scores': Target(
        lambda: [
            b'"path","score","error"\n"a.jpg",0.5,""\n"b.jpg","","gone"\n',
            b'{"path": "a.jpg", "score": 0.5, "error": null}\n{"path": "b.jpg", "score": null, "error": "gone"}\n',
        ],
        _scores, is_text=True,
    ),
    'predictions': Target(
        lambda: [b'name,mos,predicted,group,subset\na.jpg,1.5,2.5,g,\nb.jpg,2.0,1e3,h,\n'], _predictions, is_text=True
    ),
    'features': Target(seeds.arrays, _features),
    'onnx': Target(seeds.onnx_files, _onnx),
    'sealed onnx': Target(seeds.onnx_files, _sealed_onnx),
}  # fmt: skip
"""By name."""
