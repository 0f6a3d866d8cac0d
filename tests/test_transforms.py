"""Degrade, in the hands of torchvision's v2: every kind of photo comes back as it came, with the recipe's pixels."""

import copy
import pickle

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import tv_tensors
from torchvision.transforms import v2

from mmqpt.core.errors import InputError
from mmqpt.degradations import DegradationSpace, apply
from mmqpt.transforms import Degrade

SPACE = {'preset': 'qpt-paper', 'skip': 0.0}


@pytest.fixture
def photo(photos):
    return np.ascontiguousarray(photos[1][:64, :80])


def degraded(photo, seed=0):
    """What the transform gives, and what its recipe gives."""
    torch.manual_seed(seed)
    transform = Degrade(SPACE)
    found = transform(photo)
    return found, transform.last


def test_every_kind_of_photo_has_the_pixels_of_the_recipe(photo):
    for seed in range(3):
        found, recipe = degraded(photo, seed)
        wanted = apply(recipe, photo)
        assert np.array_equal(found, wanted)
        assert not np.array_equal(found, photo)
        tensor = torch.from_numpy(photo).permute(2, 0, 1)
        for given in (tensor, tv_tensors.Image(tensor), tensor.expand(2, 1, 3, 64, 80), tensor[None]):
            found, other = degraded(given, seed)
            assert other == recipe
            assert type(found) is type(given)
            assert found.shape == given.shape
            assert torch.equal(
                torch.as_tensor(found).reshape(-1, 3, 64, 80)[-1].permute(1, 2, 0), torch.from_numpy(wanted)
            )
        found, _ = degraded(Image.fromarray(photo), seed)
        assert found.mode == 'RGB'
        assert np.array_equal(np.asarray(found), wanted)
        for dtype in (np.float32, np.float64, np.float16):
            found, _ = degraded((photo / 255).astype(dtype), seed)
            assert found.dtype == dtype
            assert np.allclose(found, wanted / 255, atol=1e-3)
        for kind in (torch.float32, torch.bfloat16):
            found, _ = degraded((tensor / 255).to(kind), seed)
            assert found.dtype == kind


def test_grey_and_transparency(photo):
    grey = np.ascontiguousarray(photo[..., 1])
    for given in (grey, grey[..., None], torch.from_numpy(grey)[None]):
        found, _ = degraded(given)
        assert found.shape == given.shape
        assert not np.array_equal(np.asarray(found), np.asarray(given))
    alpha = np.arange(64 * 80).reshape(64, 80, 1).astype(np.uint8)
    for mode, bands in (('RGBA', [photo, alpha]), ('LA', [grey[..., None], alpha]), ('L', [grey])):
        image = Image.fromarray(np.concatenate(bands, axis=-1) if len(bands) > 1 else grey, mode)
        found, recipe = degraded(image)
        assert (found.mode, found.size) == (mode, image.size)
        if mode == 'RGBA':
            assert np.array_equal(np.asarray(found)[..., :3], apply(recipe, photo))
        if mode != 'L':
            assert np.array_equal(np.asarray(found)[..., -1:], alpha)


def test_in_a_pipeline_labels_boxes_and_masks_stay(photo):
    tensor = torch.from_numpy(photo).permute(2, 0, 1)
    sample = {
        'image': tv_tensors.Image(tensor),
        'mask': tv_tensors.Mask(torch.zeros(64, 80, dtype=torch.uint8)),
        'boxes': tv_tensors.BoundingBoxes([[1, 2, 3, 4]], format='XYXY', canvas_size=(64, 80)),
        'label': 3,
        'name': 'x',
    }
    pipeline = v2.Compose([Degrade(SPACE), v2.ToDtype({tv_tensors.Image: torch.float32, 'others': None}, scale=True)])
    found = pipeline(copy.deepcopy(sample))
    assert found['image'].dtype == torch.float32
    assert not torch.equal(found['image'], sample['image'] / 255)
    for name in ('mask', 'boxes'):
        assert torch.equal(found[name], sample[name])
    assert (found['label'], found['name']) == (3, 'x')
    one, two = Degrade(SPACE)(photo, photo)
    assert np.array_equal(one, two)  # the same recipe


def test_seeds_of_torch_repeat_it(photo):
    assert np.array_equal(degraded(photo, 5)[0], degraded(photo, 5)[0])
    assert degraded(photo, 5)[1] != degraded(photo, 6)[1]
    copied = pickle.loads(pickle.dumps(Degrade(SPACE)))
    torch.manual_seed(5)
    assert np.array_equal(copied(photo), degraded(photo, 5)[0])


def test_as_often_as_asked_for(photo):
    torch.manual_seed(0)
    sometimes = Degrade(SPACE, p=0.25)
    count = sum(sometimes(np.zeros((4, 4, 3), np.uint8)) is not None and sometimes.last is not None for _ in range(400))
    assert 70 < count < 130
    never = Degrade(SPACE, p=0)
    assert never(photo) is photo
    assert never.last is None


def test_it_says_what_it_is():
    text = repr(Degrade('qpt-paper', p=0.5))
    assert 'DegradationSpace(' in text
    assert 'p=0.5' in text
    space = DegradationSpace.preset('qpt-paper')
    assert Degrade(space).space is space


@pytest.mark.parametrize(
    ('given', 'said'),
    [
        (np.zeros((4, 4, 4), np.uint8), r'\(H, W, 3\) or \(H, W\), got \(4, 4, 4\)'),
        (np.zeros((4, 4, 3), np.int64), 'must hold uint8, or floats in .0, 1., got int64'),
        (np.full((4, 4, 3), 2.0), 'must be in .0, 1., got 2 to 2'),
        (np.full((4, 4, 3), np.nan), 'must be in .0, 1., got nan to nan'),
        (torch.zeros(4, 4, 5), r'shape \(\.\.\., 3, H, W\) or \(\.\.\., 1, H, W\), got \(4, 4, 5\)'),
        (torch.full((3, 4, 4), -0.5), 'must be in .0, 1.'),
        (Image.new('CMYK', (4, 4)), "got mode CMYK: image.convert\\('RGB'\\)"),
    ],
)
def test_mistakes_of_photos(given, said):
    with pytest.raises(InputError, match=said):
        Degrade(SPACE)(given)


def test_mistakes_of_arguments():
    with pytest.raises(InputError, match=r'p must be a probability from 0 to 1, got 1\.5'):
        Degrade(p=1.5)
    with pytest.raises(InputError, match=r'preset'):
        Degrade('no-such-preset')
