"""Time the metric: the network against deep metrics of pyiqa, and a folder through both command lines.

Examples:
    python benchmarks/scoring.py networks --threads 1
    python benchmarks/scoring.py folder --photos 300 --repeats 3
    python benchmarks/scoring.py folder --weights qpt.safetensors --photo-folder photos --photos 300
    python benchmarks/scoring.py memory --photo-folder photos --photos 200 2000

`networks`: images/s at 512x384 of the exported network and of every deep no-reference metric of pyiqa that can be
built without a download; ARNIQA's and HyperIQA's networks are built with random weights. All take turns in one run.
`folder`: whole processes, `mmqpt score` by each runtime and pyiqa's command line on the same metric, in turn. CPU
seconds are those of all cores; they say more than seconds where other work runs beside. `memory`: peak of `mmqpt score`
over the first photos of a folder. Prints Markdown; medians are given, and ratios within a round. Without --weights an
EfficientNet-Lite0 with random weights is timed, which takes as long as a trained one.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from mmqpt.cli.errors import run
from mmqpt.core.errors import InputError
from mmqpt.core.head import QualityHead
from mmqpt.core.photo import find_photos
from mmqpt.core.timm_backbone import create_timm_backbone
from mmqpt.core.weights_file import write_weights
from mmqpt.core.weights_spec import WeightsSpec
from mmqpt.metric.open import open_scorer
from mmqpt.metric.torch_scorer import find_device

SIZE = (384, 512)  # height and width in px
RIVALS = ('cnniqa', 'wadiqam_nr', 'metaiqa', 'musiq', 'uranker', 'hyperiqa', 'arniqa')
PYIQA = 'import mmqpt; from pyiqa.pyiqa_cmd import main; main()'  # its own command sees no plug-ins

LAUNCH = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[2:])
used = resource.getrusage(resource.RUSAGE_CHILDREN)
open(sys.argv[1], 'w').write(f'{used.ru_utime + used.ru_stime} {used.ru_maxrss}')
sys.exit(done.returncode)
"""
"""Runs a command from a small process: the peak of a process counts what its parent held when it was started."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest='command', required=True)
    networks = commands.add_parser('networks', help='images/s of networks')
    networks.add_argument('--batch', type=int, nargs='+', default=[1, 8], help='photos at once')
    networks.add_argument('--metrics', nargs='+', choices=RIVALS, default=RIVALS, metavar='NAME', help='all by default')
    networks.add_argument('--threads', type=int, help='of torch; its own choice by default')
    folder = commands.add_parser('folder', help='a folder of photos through two command lines')
    memory = commands.add_parser('memory', help='peak memory over folders of several sizes')
    folder.add_argument('--photos', type=int, default=300, help='how many to make, or to take of --photo-folder')
    memory.add_argument('--photos', type=int, nargs='+', default=[200, 2000], help='the same, for each run')
    for command in (folder, memory):
        command.add_argument('--photo-folder', type=Path, help='score the first of these instead')
    folder.add_argument('--options', nargs='*', default=[], help='further options of mmqpt score, without the dashes')
    for command, repeats in ((networks, 10), (folder, 3), (memory, 1)):
        command.add_argument('--weights', help='exported file; random ones by default')
        command.add_argument('--device', help='cpu or cuda')
        command.add_argument('--repeats', type=int, default=repeats, help='rounds (default: %(default)s)')
    args = parser.parse_args()
    if args.repeats < 1:
        raise InputError('--repeats must be >= 1')
    with tempfile.TemporaryDirectory() as scratch:
        weights = Path(args.weights) if args.weights else random_weights(Path(scratch) / 'random.safetensors')
        if args.command == 'networks':
            if args.threads:
                torch.set_num_threads(args.threads)
            time_networks(args, weights, Path(scratch))
        elif args.command == 'folder':
            time_folder(args, weights, Path(scratch))
        else:
            measure_memory(args, weights, Path(scratch))


def random_weights(path: Path) -> Path:
    """The default network, untrained, with a size rule that leaves the photos of this benchmark as they are."""
    torch.manual_seed(0)
    backbone = create_timm_backbone('tf_efficientnet_lite0', {})
    head: dict[str, Any] = {'channels': 1280, 'hidden': 256, 'dropout': 0.2}
    tensors = {f'backbone.{k}': v for k, v in backbone.state_dict().items()}
    tensors |= {f'head.{k}': v for k, v in QualityHead(**head).state_dict().items()}
    view = {'min_side': 384, 'max_side': 1536, 'crop': None}
    spec = WeightsSpec('metric', 'tf_efficientnet_lite0', (127.0,) * 3, (128.0,) * 3, view=view, head=head)
    write_weights(path, tensors, spec)
    return path


def to_onnx(weights: Path, scratch: Path) -> Path:
    """The same weights for onnxruntime."""
    from mmqpt.metric.onnx_export import export_onnx

    export_onnx(weights, scratch / 'qpt.onnx')
    return scratch / 'qpt.onnx'


def machine(device: torch.device) -> str:
    """What the times are of."""
    if device.type == 'cuda':
        return torch.cuda.get_device_name(device)
    cores = f'{os.cpu_count()} CPU cores ({platform.machine()})'
    return f'{cores}, {torch.get_num_threads()} threads, torch {torch.__version__}'


def rivals() -> dict[str, Callable[[], nn.Module]]:
    """Deep no-reference networks of pyiqa that need no download here."""
    from pyiqa.archs import build_network
    from pyiqa.archs.hypernet_arch import HyperNet

    def plain(kind: str, **options: object) -> Callable[[], nn.Module]:
        return lambda: build_network({'type': kind, 'pretrained': None, **options})

    return {
        'cnniqa': plain('CNNIQA'),
        'wadiqam_nr': plain('WaDIQaM', metric_type='NR'),
        'metaiqa': plain('MetaIQA'),
        'musiq': plain('MUSIQ'),
        'uranker': plain('URanker'),
        'hyperiqa': lambda: without_downloads(lambda: HyperNet(pretrained=None)),
        'arniqa': arniqa,
    }


def without_downloads(build: Callable[[], nn.Module]) -> nn.Module:
    """Builds with timm giving random weights."""
    import timm

    create = timm.create_model

    def untrained(*args: Any, **options: Any) -> nn.Module:
        return create(*args, **{**options, 'pretrained': False})

    timm.create_model = untrained
    try:
        return build()
    finally:
        timm.create_model = create


def arniqa() -> nn.Module:
    """ARNIQA as pyiqa runs it, put together without its constructor, which downloads."""
    import torchvision
    from pyiqa.archs.arniqa_arch import ARNIQA

    net = ARNIQA.__new__(ARNIQA)
    nn.Module.__init__(net)
    net.regressor_dataset, net.feat_dim = 'kadid10k', 2048
    net.encoder = nn.Sequential(*list(torchvision.models.resnet50(weights=None).children())[:-1])
    net.regressor = nn.Linear(4096, 1)
    net.default_mean, net.default_std = torch.full((1, 3, 1, 1), 0.45), torch.full((1, 3, 1, 1), 0.22)
    return net


def time_networks(args: argparse.Namespace, weights: Path, scratch: Path) -> None:
    device = find_device(args.device)
    threads = torch.get_num_threads()
    nets: dict[str, Callable[[Tensor], object]] = {
        'qpt (torch)': open_scorer(weights, device, runtime='torch').score_batch,
        'qpt (ONNX)': open_scorer(to_onnx(weights, scratch), device, threads).score_batch,
    }
    for name, build in rivals().items():
        if name in args.metrics:
            nets[name] = build().eval().to(device)
    rates: dict[tuple[str, int], list[float]] = {}
    failed: dict[str, str] = {}
    for batch in args.batch:
        photos = torch.rand(batch, 3, *SIZE, generator=torch.Generator().manual_seed(0)).to(device)
        for number in range(args.repeats + 1):
            for name, net in nets.items():
                try:
                    seconds = timed(net, photos)
                except (RuntimeError, ValueError, NotImplementedError) as error:
                    failed[name] = str(error).splitlines()[0]
                    continue
                if number:  # the first round warms up
                    rates.setdefault((name, batch), []).append(batch / seconds)
    print(f'Images/s at 512x384, median of {args.repeats} rounds in turn; {machine(device)}\n')
    print('| metric | ' + ' | '.join(f'batch {batch}' for batch in args.batch) + ' | best qpt is faster by |')
    print('|---|' + '---|' * (len(args.batch) + 1))
    best = {name: max(statistics.median(rates[name, b]) for b in args.batch if (name, b) in rates) for name in nets}
    ours = max(rate for name, rate in best.items() if name.startswith('qpt'))
    for name in sorted(nets, key=lambda name: -best[name]):
        cells = [f'{statistics.median(rates[name, b]):.1f}' if (name, b) in rates else '-' for b in args.batch]
        print(f'| {name} | ' + ' | '.join(cells) + f' | {ours / best[name]:.2f} |')
    for name, reason in failed.items():
        print(f'\n{name}: {reason}')


@torch.inference_mode()
def timed(net: Callable[[Tensor], object], photos: Tensor) -> float:
    start = time.perf_counter()
    net(photos)
    if photos.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - start


def make_photos(folder: Path, count: int) -> Path:
    """JPEG files of 512x384 px, all different: parts of scikit-image's photos."""
    from skimage import data

    folder.mkdir()
    rng = np.random.default_rng(0)
    sources = [data.astronaut(), data.coffee(), data.chelsea()]
    for number in range(count):
        source = Image.fromarray(sources[number % len(sources)])
        scale = 1 + rng.random()
        size = (round(512 * scale), round(384 * scale))
        left, top = int(rng.integers(0, size[0] - 511)), int(rng.integers(0, size[1] - 383))
        part = source.resize(size).crop((left, top, left + 512, top + 384))
        part.save(folder / f'{number:05}.jpg', quality=int(rng.integers(30, 96)))
    return folder


def photos_of(args: argparse.Namespace, count: int, scratch: Path) -> Path:
    """A folder with so many photos: new ones, or the first of a given folder."""
    target = scratch / f'photos-{count}'
    if args.photo_folder is None:
        return make_photos(target, count)
    given = find_photos(args.photo_folder)
    if len(given) < count:
        raise InputError(f'{args.photo_folder}: has {len(given)} photos, fewer than {count}')
    target.mkdir()
    for number, path in enumerate(given[:count]):
        shutil.copy(path, target / f'{number:06}{path.suffix}')
    return target


@dataclass
class Usage:
    """What a process took."""

    seconds: float
    cpu: float  # seconds of all cores
    peak: float  # MB of memory


def execute(command: list[Any], weights: Path, scratch: Path) -> Usage:
    """Run a command to its end, with a folder of named weights."""
    here = Path(tempfile.mkdtemp(dir=scratch))
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, '-c', LAUNCH, here / 'usage', *map(str, command)],
        cwd=here,
        env={**os.environ, 'MMQPT_WEIGHTS': str(weights)},
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - start
    if done.returncode:
        raise InputError(f'{" ".join(map(str, command[1:4]))} failed: {done.stderr.strip().splitlines()[-1]}')
    cpu, peak = map(float, (here / 'usage').read_text().split())
    return Usage(seconds, cpu, peak / 1024)


def named_weights(weights: Path, scratch: Path) -> Path:
    """A folder in which the name qpt stands for weights with their ONNX file."""
    named = scratch / 'weights'
    named.mkdir()
    shutil.copy(weights, named / 'qpt.safetensors')
    to_onnx(weights, named)
    return named


def time_folder(args: argparse.Namespace, weights: Path, scratch: Path) -> None:
    device = find_device(args.device)
    folder = photos_of(args, args.photos, scratch)
    named = named_weights(weights, scratch)
    extra = [f'--{option}' if not option[0].isdigit() else option for option in args.options]
    score = [sys.executable, '-m', 'mmqpt', 'score', folder, '--device', device, '--csv', 'scores.csv', *extra]
    commands = {
        'pyiqa': [sys.executable, '-c', PYIQA, 'qpt', '-t', folder, '--device', device, '-v'],
        'mmqpt score --runtime torch': [*score, '--runtime', 'torch'],
        'mmqpt score --runtime onnx': [*score, '--runtime', 'onnx'],
    }
    used: dict[str, list[Usage]] = {name: [] for name in commands}
    for _ in range(args.repeats):
        for name, command in commands.items():
            used[name].append(execute(command, named, scratch))
    print(f'{args.photos} photos, whole processes, median of {args.repeats} rounds in turn; {machine(device)}\n')
    print('| command line | seconds | CPU seconds | images/s | times as fast as pyiqa (rounds) | by CPU | peak, MB |')
    print('|---|---|---|---|---|---|---|')
    for name, rounds in used.items():
        seconds, cpu, peak = (
            statistics.median(getattr(one, key) for one in rounds) for key in ('seconds', 'cpu', 'peak')
        )
        pairs = list(zip(used['pyiqa'], rounds, strict=True))
        ratios = [theirs.seconds / ours.seconds for theirs, ours in pairs]
        by_cpu = statistics.median(theirs.cpu / ours.cpu for theirs, ours in pairs)
        span = f'{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})'
        print(
            f'| {name} | {seconds:.1f} | {cpu:.1f} | {args.photos / seconds:.1f} | {span} | {by_cpu:.2f} | {peak:.0f} |'
        )


def measure_memory(args: argparse.Namespace, weights: Path, scratch: Path) -> None:
    device = find_device(args.device)
    named = named_weights(weights, scratch)
    print('| photos | runtime | peak, MB |\n|---|---|---|')
    for count in args.photos:
        folder = photos_of(args, count, scratch)
        for runtime in ('onnx', 'torch'):
            score = [sys.executable, '-m', 'mmqpt', 'score', folder, '--device', device, '--runtime', runtime]
            peaks = [execute(score, named, scratch).peak for _ in range(args.repeats)]
            print(f'| {count} | {runtime} | {statistics.median(peaks):.0f} |')


if __name__ == '__main__':
    run(main)
