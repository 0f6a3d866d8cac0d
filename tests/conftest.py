"""Real photos, a seeded generator, and runs with a tiny network, shared by all tests."""

import os
import runpy
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
import torch.multiprocessing
from mmengine.config import Config
from mmengine.runner import Runner
from PIL import Image
from skimage import data

from mmqpt.datasets.rated.sets import SetInfo, write_set
from mmqpt.datasets.rated.splits import add_random_splits

torch.set_num_threads(1)  # tiny networks: more threads are slower, and the order of sums stays the same
ROOT = Path(__file__).parent.parent
CONFIGS = ROOT / 'configs'


@pytest.fixture(scope='session')
def photos() -> list[np.ndarray]:
    """Three real photos: uint8 RGB of shape (H, W, 3). Not to be written to."""
    return [np.ascontiguousarray(photo) for photo in (data.astronaut(), data.coffee(), data.chelsea())]


@pytest.fixture(scope='session')
def photo_folder(photos: list[np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six JPEG photos of 256 x 320 px. Not to be written to."""
    folder = tmp_path_factory.mktemp('photos')
    for photo, name in zip(photos, ('astronaut', 'coffee', 'chelsea'), strict=True):
        height, width = photo.shape[:2]
        Image.fromarray(photo[:256, :320]).save(folder / f'{name}_0.jpg', quality=95)
        Image.fromarray(photo[height - 256 :, width - 320 :]).save(folder / f'{name}_1.jpg', quality=95)
    return folder


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator with a fixed seed."""
    return np.random.default_rng(0)


@pytest.fixture(scope='session')
def rated_csv(photo_folder: Path) -> Path:
    """A CSV beside the folder ``rated_photos``: name, mos (1 to 5), split (4 train; 2 and copies of those 4 test)."""
    path, folder = photo_folder.parent / 'rated.csv', photo_folder.parent / 'rated_photos'
    folder.mkdir()
    photos = sorted(photo_folder.iterdir())
    rows = []
    for number, photo in enumerate([*photos, *photos[:4]]):
        name = photo.name if number < 6 else f'copy_{photo.name}'
        (folder / name).write_bytes(photo.read_bytes())
        rows.append(f'{name},{1 + 0.7 * (number % 6):.1f},{"train" if number < 4 else "test"}')
    path.write_text('\n'.join(['name,mos,split', *rows]) + '\n')
    return path


@pytest.fixture(scope='session')
def rated_set(photos: list[np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``set.csv`` and its JSON file, beside the folder ``images`` with 30 photos of 72 x 64 px in 15 scenes of 2.

    MOS from 1 to 5, less where a photo was blurred more; two random splits, subsets ``light`` and ``heavy``.
    """
    folder = tmp_path_factory.mktemp('rated')
    (folder / 'images').mkdir()
    rows = []
    for number in range(30):
        photo = photos[number % 3][40 * (number // 6) : 40 * (number // 6) + 64, 20 * number % 200 :][:, :72]
        blurred = cv2.GaussianBlur(photo, (0, 0), 0.3 + 0.1 * (number * 7 % 30))
        Image.fromarray(np.ascontiguousarray(blurred)).save(folder / 'images' / f'{number:02d}.png')
        mos = round(5 - 4 * (number * 7 % 30) / 29, 3)
        subset = 'light' if mos > 3 else 'heavy'
        rows.append({'name': f'{number:02d}.png', 'mos': mos, 'scene': f's{number // 2}', 'kind': subset})
    info = SetInfo('tiny', (1, 5), group_column='scene', subset_column='kind', source='made by the tests')
    write_set(folder / 'set.csv', info, rows)
    add_random_splits(folder / 'set.csv', 2, 0, 0.4)
    return folder / 'set.csv'


@pytest.fixture(scope='session')
def tiny_pretrain(photo_folder: Path) -> Callable[..., Config]:
    """Makes a config of a pre-training run that takes a second: the shipped folder config with a tiny network."""

    def make(work_dir: Path, **changes: object) -> Config:
        cfg = Config.fromfile(CONFIGS / 'qpt' / 'qpt_resnet18_1xb32-coslr_folder.py')
        cfg.merge_from_dict(
            {
                'work_dir': str(work_dir),
                'experiment_name': str(work_dir),  # MMEngine's default, the second, is not unique here
                'model.backbone': {'_delete_': True, 'type': 'TIMMBackbone', 'model_name': 'test_resnet'},
                'model.neck.hid_channels': 16,
                'model.queue_length': 50,
                'model.input_size': 32,
                'train_dataloader.batch_size': 3,
                'train_dataloader.num_workers': 0,
                'train_dataloader.persistent_workers': False,
                'train_dataloader.dataset.data_root': str(photo_folder),
                'train_dataloader.dataset.pipeline.1': {
                    'type': 'PatchPairs', 'patch_size': 32, 'versions': 2, 'patches': 2, 'window': 96
                },
                'train_cfg.max_epochs': 2,
                'param_scheduler.0.T_max': 10,
                'param_scheduler.0.end': 10,  # whatever the length of the run
                'default_hooks.logger.interval': 1,
                'log_processor.window_size': 1,
                'log_level': 'ERROR',
                **changes,
            }
        )  # fmt: skip
        return cfg

    return make


@pytest.fixture(scope='session')
def tiny_finetune(rated_csv: Path) -> Callable[..., Config]:
    """Makes a config of a fine-tuning run that takes seconds: the shipped CSV config with a tiny network."""

    def make(work_dir: Path, **changes: object) -> Config:
        cfg = Config.fromfile(CONFIGS / 'finetune' / 'finetune_efficientnet-lite0_1xb16-coslr_csv.py')
        changed = {
            'work_dir': str(work_dir),
            'experiment_name': str(work_dir),
            'model.backbone.model_name': 'test_resnet',
            'model.pretrained': None,
            'model.head.hidden': 8,
            'model.input_size': 64,
            'model.view': {'min_side': 64, 'max_side': 128, 'crop': None},
            'train_dataloader.batch_size': 3,
            'train_dataloader.dataset.pipeline.1.crop': 64,
            'train_dataloader.dataset.pipeline.1.view': {'min_side': 64, 'max_side': 128},
            'train_dataloader.persistent_workers': False,
            'train_cfg.max_epochs': 2,
            'param_scheduler.1.T_max': 1,
            'test_evaluator.out_file': str(work_dir / 'predictions.csv'),
            'default_hooks.checkpoint.save_best': None,
            'log_level': 'ERROR',
        }
        for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
            changed[f'{loader}.num_workers'] = 0
            changed[f'{loader}.dataset.data_root'] = str(rated_csv.parent / 'rated_photos')
            changed[f'{loader}.dataset.ann_file'] = str(rated_csv)
            changed[f'{loader}.dataset.mos_range'] = [1, 5]
        changed |= {'train_dataloader.dataset.holdout': 0.0, 'train_dataloader.dataset.part': 'all'}
        changed |= {'val_dataloader.dataset.holdout': 0.0, 'val_dataloader.dataset.part': 'all'}
        cfg.merge_from_dict({**changed, **changes})
        return cfg

    return make


@pytest.fixture(scope='session')
def pretrained_checkpoint(tiny_pretrain: Callable[..., Config], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of tiny pre-training."""
    folder = tmp_path_factory.mktemp('pretrain')
    Runner.from_cfg(tiny_pretrain(folder)).train()
    return folder / 'epoch_2.pth'


@pytest.fixture(scope='session')
def finetuned_checkpoint(
    tiny_finetune: Callable[..., Config], pretrained_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A checkpoint of tiny fine-tuning that started from ``pretrained_checkpoint``."""
    folder = tmp_path_factory.mktemp('finetune')
    Runner.from_cfg(tiny_finetune(folder, **{'model.pretrained': str(pretrained_checkpoint)})).train()
    return folder / 'epoch_2.pth'


@pytest.fixture(scope='session')
def metric_weights(finetuned_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The exported file of ``finetuned_checkpoint``."""
    from mmqpt.export.convert import export_checkpoint

    path = tmp_path_factory.mktemp('export') / 'qpt.safetensors'
    export_checkpoint(finetuned_checkpoint, path)
    return path


@pytest.fixture
def run_script(capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Callable[..., SimpleNamespace]:
    """Runs a script of the checkout in this process, as ``python NAME ...`` would: imports take seconds."""

    def call(name: str, *args: object) -> SimpleNamespace:
        path = str(ROOT / name)
        monkeypatch.setattr(sys, 'argv', [path, *map(str, args)])
        with pytest.raises(SystemExit) as stop:
            runpy.run_path(path, run_name='__main__')
        return SimpleNamespace(returncode=stop.value.code, **capsys.readouterr()._asdict())

    return call


def _start_rank(rank: int, work: Callable, ranks: int, port: int, folder: str, args: tuple) -> None:
    os.environ.update(
        RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(ranks), MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port)
    )
    torch.set_num_threads(1)
    torch.distributed.init_process_group('gloo')
    torch.save(work(rank, ranks, *args), f'{folder}/{rank}.pth')
    torch.distributed.destroy_process_group()


@pytest.fixture
def on_ranks(tmp_path: Path) -> Callable[..., list]:
    """Runs ``work(rank, ranks, *args)`` in processes of their own, joined by gloo; gives what each returned."""

    def run(work: Callable, ranks: int, *args: object) -> list:
        with socket.socket() as free:
            free.bind(('127.0.0.1', 0))
            port = free.getsockname()[1]
        torch.multiprocessing.spawn(_start_rank, (work, ranks, port, str(tmp_path), args), nprocs=ranks)
        return [torch.load(tmp_path / f'{rank}.pth', weights_only=False) for rank in range(ranks)]

    return run
