"""A frozen network and its pooled features: what the linear probe and the readers of distortions are fitted to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config, ConfigDict
from mmengine.model import BaseModel
from mmpretrain.registry import MODELS

from mmqpt.core.errors import InputError
from mmqpt.core.timm_backbone import without_stages
from mmqpt.core.view import View
from mmqpt.core.weights_file import read_weights
from mmqpt.core.weights_spec import SPEC_KEY, file_sha256, read_metadata
from mmqpt.evaluation.protocols.features import FeatureStore, ahead, image_features, photo_features
from mmqpt.models.backbone import imagenet_package, load_pretrained, weights_file, weights_path
from mmqpt.models.checkpoint import export_spec_of, load_checkpoint_file

_NO_NETWORK = ('init_cfg', 'pretrained', 'checkpoint_path')
"""Arguments of a backbone that say where its weights come from."""

RANDOM = 'random'
"""Weights that are drawn by the seed."""


def weights_key(weights: str) -> str:
    """A text that changes when the weights do: the SHA-256 of a file, else the name itself.

    Raises:
        FileNotFoundError: neither a file nor a name of weights.
    """
    if weights == RANDOM or weights.startswith('imagenet:'):
        return weights
    return file_sha256(weights_file(weights))


def network_of(weights: str) -> dict[str, Any] | None:
    """``backbone`` and ``data_preprocessor`` that weights are of, as a ``model`` has them.

    Args:
        weights: as of :func:`load_pretrained`, or :data:`RANDOM`.

    Returns:
        None where nothing says it: random weights, no file, files of others, and backbones of mmpretrain.

    Raises:
        InputError: an unknown name.
    """
    if weights == RANDOM:
        return None
    if weights.startswith('imagenet:'):
        _, model, mean, std = imagenet_package(weights.removeprefix('imagenet:'))
        return {
            'backbone': {'type': 'TIMMBackbone', 'model_name': model},
            'data_preprocessor': _statistics([mean] * 3, [std] * 3),
        }
    path = weights_path(weights)
    if not path.is_file():
        return None
    if path.suffix == '.safetensors':
        if SPEC_KEY not in read_metadata(path):
            return None
        spec = read_weights(path)[1]
        backbone = {'type': 'TIMMBackbone', 'model_name': spec.backbone, **without_stages(spec.backbone_args)}
        return {'backbone': backbone, 'data_preprocessor': _statistics(spec.input_mean, spec.input_std)}
    meta = export_spec_of(load_checkpoint_file(path))
    backbone = meta.get('backbone') or {}
    if backbone.get('type') != 'TIMMBackbone':
        return None
    return {'backbone': without_stages(backbone), 'data_preprocessor': _statistics(meta['mean'], meta['std'])}


def _statistics(mean: Sequence[float], std: Sequence[float]) -> dict[str, list[float]]:
    return {'mean': list(mean), 'std': list(std)}


def _network(backbone: Mapping[str, Any]) -> dict[str, Any]:
    """What of a backbone's config says which network it is; lists for tuples."""
    kept = {key: value for key, value in without_stages(backbone).items() if key not in _NO_NETWORK}
    return {key: list(value) if isinstance(value, tuple) else value for key, value in kept.items()}


class FrozenFeatures:
    """Pooled features of photos and images by a network that a config describes, from any weights.

    Weights that say which network of timm they are of (files and checkpoints of mmqpt, ImageNet's by name) get that
    network and its normalisation, where it is another one than the config's: so encoders of several architectures can
    be compared.

    Args:
        cfg: config of fine-tuning; its ``model`` says which backbone, normalisation and size rule.
        scales: sizes, relative, whose features are joined.
        store: where features are kept.
        device: where features are computed.
        workers: threads that decode photos or make images.
        seed: of random weights.
    """

    def __init__(
        self,
        cfg: Config,
        scales: Sequence[float],
        store: FeatureStore,
        device: str = 'cpu',
        workers: int = 1,
        seed: int = 0,
    ) -> None:
        self.model_cfg = model_config(cfg)
        self.scales = [float(scale) for scale in scales]
        self.store = store
        self.device = device
        self.workers = workers
        self.seed = seed
        self._models: dict[str, dict[str, Any]] = {}

    def key(self, weights: str) -> dict[str, Any]:
        """All that features depend on except the photos; JSON-able."""
        model = self.model_of(weights)
        key: dict[str, Any] = {'weights': weights_key(weights), 'scales': self.scales}
        key.update({name: model.get(name) for name in ('backbone', 'view', 'data_preprocessor')})
        key['pooling'] = (model.get('head') or {}).get('pooling', 'last')
        return {**key, 'seed': self.seed} if weights == RANDOM else key

    def model_of(self, weights: str) -> dict[str, Any]:
        """The config's ``model``; where the weights are of another network, or of one with other arguments (another
        number of branches), with that and its normalisation."""
        if weights not in self._models:
            own = self.model_cfg['backbone']
            found = network_of(weights)
            if found is None or _network(own) == _network(found['backbone']):
                self._models[weights] = self.model_cfg
            elif own.get('out_indices') is not None:
                raise InputError(
                    f'{weights}: of another network than the config, whose out_indices {list(own["out_indices"])} '
                    'would be other stages there: leave out_indices out of the config'
                )
            else:
                stages = {'features_only': True} if own.get('features_only') else {}
                self._models[weights] = {**self.model_cfg, **found, 'backbone': {**found['backbone'], **stages}}
        return self._models[weights]

    def network(self, weights: str) -> BaseModel:
        """The network in eval mode; weights as of :func:`load_pretrained`, or :data:`RANDOM`."""
        torch.manual_seed(self.seed)
        model = MODELS.build({**self.model_of(weights), 'pretrained': None if weights == RANDOM else weights})
        model.init_weights()
        return model.to(self.device).eval()

    def check(self, weights: str) -> None:
        """Load weights once, so that those that do not fit are named before anything is computed.

        Raises:
            FileNotFoundError: no such file.
            InputError: weights of another network.
        """
        check_weights(self.model_of(weights), weights)

    def of_photos(self, weights: str, paths: Sequence[Path]) -> np.ndarray:
        """float32 (N, scales x C) of photos under the size rule of the config."""

        def compute(missing: Sequence[Path], done: Callable[[int], object]) -> np.ndarray:
            model = self.network(weights)
            return photo_features(
                model.extract_features, missing, self.scales, model.view, self.device, self.workers, done
            )

        return self.store.get(self.key(weights), paths, compute, f'features of {weights}')

    def of_images(self, weights: str, stamps: Sequence[str], make: Callable[[int], np.ndarray]) -> np.ndarray:
        """float32 (N, scales x C) of images as they are, without a size rule.

        Args:
            weights: see :meth:`network`.
            stamps: see :meth:`FeatureStore.get_stamped`.
            make: image number 0 to N - 1, uint8 RGB (H, W, 3); called by ``workers`` threads.
        """
        model: list[BaseModel] = []

        def compute(missing: Sequence[int], done: Callable[[int], object]) -> np.ndarray:
            if not model:
                model.append(self.network(weights))
            images = ahead(make, missing, self.workers)
            return image_features(model[0].extract_features, images, self.scales, whole, self.device, done)

        whole = View(min_side=1, max_side=None)
        key = {**self.key(weights), 'view': None, 'of': 'images'}
        return self.store.get_stamped(key, stamps, compute, f'features of {weights}')


def check_weights(model: Mapping[str, Any], weights: str) -> None:
    """Build the network of a config's ``model`` and load weights into it.

    Raises:
        FileNotFoundError: no such file.
        InputError: the network can't be built, or the weights are not its.
    """
    if weights != RANDOM:
        with torch.random.fork_rng(devices=[]):
            load_pretrained(MODELS.build({**model, 'pretrained': None}).backbone, weights)


def model_config(cfg: Config) -> dict[str, Any]:
    """The ``model`` of a config of fine-tuning.

    Raises:
        InputError: a config of something else.
    """
    model = cfg.get('model') or {}
    if model.get('type') != 'IQARegressor':
        raise InputError(f'{cfg.filename}: not a config of fine-tuning (its model is {model.get("type")!r})')
    return ConfigDict(model).to_dict()
