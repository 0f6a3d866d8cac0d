"""Does a pre-trained checkpoint tell degradations apart on photos it has not seen, and only degradations?

Example:
    python tools/pretext_check.py configs/qpt/qpt_efficientnet-lite0_1xb24-coslr_folder.py work_dirs/x/epoch_20.pth \\
        --data-root unseen_photos --out check.json

Prints how often the positive is closer than every degradation-based negative, with keys from the key encoder:
`different recipes` is the task; `shared positions` has all versions cut at the same places, so that content speaks for
the negatives; `same recipe` is the control: versions that differ in nothing but where their patches lie. There the
accuracy must be at chance, or a little below it (patches of different versions may overlap by more than `max_overlap`,
those of one version not). More means a shortcut: the network knows by something other than degradation which patches
were cut together.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from mmengine.logging import MMLogger
from mmengine.model import BaseModel
from mmpretrain.registry import MODELS, TRANSFORMS
from torch import Tensor

from mmqpt.core.errors import InputError
from mmqpt.core.photo import read_photo, swap_channels
from mmqpt.datasets.photos.folder import list_photos
from mmqpt.datasets.transforms.patch_pairs import PatchPairs
from mmqpt.engine.launch import add_common_options, load_config, run
from mmqpt.models.checkpoint import export_spec_of, load_checkpoint_file


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config of the pre-training')
    parser.add_argument('checkpoint', help='its checkpoint')
    parser.add_argument('--data-root', type=Path, required=True, help='folder of photos that were not trained on')
    parser.add_argument('--ann-file', type=Path, help='use only the photos that this text file lists, one a line')
    parser.add_argument('--photos', type=int, default=200, help='how many of them, drawn at random')
    parser.add_argument('--out', type=Path, help='JSON file to write')
    add_common_options(parser)
    args = parser.parse_args()
    cfg = load_config(args)
    MMLogger.get_current_instance().setLevel('WARNING')
    state = load_checkpoint_file(args.checkpoint)
    if export_spec_of(state).get('kind') != 'backbone':
        raise InputError(f'{args.checkpoint}: not a checkpoint of pre-training')
    model = MODELS.build({**cfg.model, 'pretrained': None})
    model.load_state_dict(state['state_dict'])
    model.eval()
    pairs = next(step for step in cfg.train_dataloader.dataset.pipeline if step.type == 'PatchPairs')
    paths = list_photos(args.data_root, args.ann_file)
    chosen = [paths[i] for i in np.random.default_rng(0).permutation(len(paths))[: args.photos]]
    results = {
        'photos': len(chosen),
        'chance': 1 / (1 + (pairs.versions - 1) * pairs.patches),
        'different recipes': accuracy(model, TRANSFORMS.build({**pairs}), chosen),
        'shared positions': accuracy(model, TRANSFORMS.build({**pairs, 'positions': 'shared'}), chosen),
        'same recipe': accuracy(model, same_recipe(TRANSFORMS.build({**pairs})), chosen),
    }
    for name, value in results.items():
        print(f'{name:18s} {value:.3f}' if isinstance(value, float) else f'{name:18s} {value}')
    if args.out:
        args.out.write_text(json.dumps(results, indent=2) + '\n')


def same_recipe(pairs: PatchPairs) -> PatchPairs:
    """Let all versions of a photo have one recipe."""
    draw = pairs.space.draw
    pairs.draw_recipes = lambda rng: [draw(rng)] * pairs.versions  # type: ignore[method-assign]
    return pairs


@torch.no_grad()
def accuracy(model: BaseModel, pairs: PatchPairs, paths: list[Path]) -> float:
    """Share of (query, positive) whose positive is closer than every patch of the photo's other versions."""
    right: list[Tensor] = []
    for number, path in enumerate(paths):
        sample = {'img': swap_channels(read_photo(path)), 'rng': np.random.default_rng((1, number))}
        patches = torch.from_numpy(pairs(sample)['patches']).permute(0, 1, 4, 2, 3)[None]
        inputs = model.data_preprocessor({'inputs': patches, 'data_samples': []})['inputs']
        right.append(model.loss(inputs)['acc_degradation'])
    return torch.stack(right).mean().item()


if __name__ == '__main__':
    run(main)
