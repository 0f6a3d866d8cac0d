"""The batched engine against the CPU engine, over every operator, level and direction, and its own promises."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data
import torch

from mmqpt.core.errors import InputError
from mmqpt.degradations import LEVELS, OPERATORS, DegradationSpace, Recipe, Step, apply
from mmqpt.degradations.batched import BATCHED, apply_batch, on_cpu

DOCS = Path(__file__).parents[2] / 'docs' / 'batched.md'
CROPS = [getattr(skimage.data, name)()[40:232, 120:376] for name in ('astronaut', 'coffee', 'chelsea')]  # 192 x 256 px
NAMES = [pytest.param(name, id=name) for name in BATCHED]
SIZES = [(1, 1), (1, 2), (2, 1), (1, 7), (9, 1), (40, 4), (2, 2), (3, 5), (17, 31), (33, 64), (61, 45)]

NEAR = (0.002, 1)
# Largest mean and largest single difference in grey levels on a photo; operators that are not named agree exactly.
TOLERANCE = {
    **dict.fromkeys(('rotate', 'perspective', 'lens', 'elastic', 'rolling_shutter'), NEAR),
    'shear': (0.03, 1),
    'stretch': (0.04, 1),
    'pixelate': (0.03, 1),
    'resample_area': (0.03, 2),
    'resample_bilinear': (0.02, 1),
    'resample_bicubic': NEAR,
    'resample_lanczos': (0.02, 2),
    'saturation_lab': (0.12, 2),
    **dict.fromkeys(('channel_shift', 'chromatic_aberration', 'chroma_blotches', 'vignette'), NEAR),
    **dict.fromkeys(('anisotropic_blur', 'defocus_blur', 'motion_blur'), (0.002, 2)),
    'zoom_blur': (0.004, 2),
    'denoise': (0.01, 2),
    'over_smoothing': NEAR,
    'smear': (0.01, 64),  # where two windows are equally flat
    'denoised_noise': NEAR,
    'local_contrast': (0.04, 1),
    'ringing': NEAR,
    **dict.fromkeys(('colour_noise', 'sensor_noise', 'speckle_noise', 'grain'), NEAR),
    'jpeg2000': (0.002, 4),  # where a coefficient lies at the edge of a step
}
EXACT = (0.0, 0)


def opencv_rounds_places() -> bool:
    """OpenCV 4 interpolates at places rounded to 1/32 px, OpenCV 5 and the batched engine at the places themselves."""
    ramp = np.tile(np.arange(32, dtype=np.float32), (4, 1))
    moved = cv2.warpAffine(ramp, np.float32([[1, 0, 0.3], [0, 1, 0]]), (32, 4), flags=cv2.WARP_INVERSE_MAP | 1)
    return abs(float(moved[1, 5]) - 5.3) > 1e-3


STATED = dict(TOLERANCE)
"""What docs/batched.md states, for OpenCV 5."""
if opencv_rounds_places():
    PLACED = ('rotate', 'shear', 'stretch', 'perspective', 'lens', 'elastic', 'rolling_shutter', 'interlace')
    PLACED += ('channel_shift', 'chromatic_aberration')
    TOLERANCE |= dict.fromkeys(PLACED, (0.15, 8))  # 1/64 px across and down an edge from black to white: 8 levels
cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')


def tensor(photos) -> torch.Tensor:
    return torch.from_numpy(np.stack(photos)).permute(0, 3, 1, 2)


def photo(image: torch.Tensor) -> np.ndarray:
    return image.permute(1, 2, 0).cpu().numpy()


def recipes_of(name: str) -> list[Recipe]:
    """Every level and direction, with different seeds."""
    row = OPERATORS[name]
    return [Recipe((Step(name, level, sign, 100 * level + sign),)) for level in LEVELS for sign in row.signs]


def assert_agree(name: str, one: np.ndarray, two: np.ndarray) -> None:
    difference = cv2.absdiff(np.ascontiguousarray(one), np.ascontiguousarray(two))
    mean, largest = TOLERANCE.get(name, EXACT)
    assert difference.mean() <= mean
    assert difference.max() <= largest


def test_fallback_and_tolerances_name_operators():
    assert {name for name in OPERATORS if on_cpu(name)} == {'palette', 'webp', 'avif'}
    assert set(TOLERANCE) <= set(BATCHED) <= set(OPERATORS)
    with pytest.raises(InputError, match='unknown degradation operator'):
        on_cpu('nothing')


@pytest.mark.parametrize('name', NAMES)
def test_agrees_with_the_cpu_engine(name):
    recipes = recipes_of(name)
    for crop in CROPS:
        done = apply_batch(recipes, tensor([crop] * len(recipes)))
        for recipe, image in zip(recipes, done, strict=True):
            assert_agree(name, photo(image), apply(recipe, crop))


@pytest.mark.parametrize('name', NAMES)
def test_works_on_every_size(name):
    rng = np.random.default_rng(0)
    recipes = [recipes_of(name)[place] for place in (0, -1)]
    for size in SIZES:
        images = rng.integers(0, 256, (2, *size, 3), dtype=np.uint8)
        done = apply_batch(recipes, tensor(images))
        for recipe, image, out in zip(recipes, images, done, strict=True):
            difference = cv2.absdiff(photo(out).copy(), apply(recipe, image))
            assert difference.max() <= (1 if TOLERANCE.get(name, EXACT)[1] <= 1 else 64), size


@pytest.mark.parametrize('name', NAMES)
def test_photos_do_not_depend_on_the_rest_of_the_batch(name):
    recipes = recipes_of(name)
    images = tensor([CROPS[number % 3] for number in range(len(recipes))])
    together = apply_batch(recipes, images)
    for number, recipe in enumerate(recipes):
        alone = apply_batch([recipe], images[number : number + 1])
        difference = (together[number].int() - alone[0].int()).abs()
        assert difference.max() <= (0 if TOLERANCE.get(name, EXACT) == EXACT else 1)
        assert difference.float().mean() <= 1e-4  # sums may be taken in another order


@pytest.mark.parametrize('name', [pytest.param(name, id=name) for name in OPERATORS])
def test_keeps_input_type_and_layout(name):
    images = tensor(CROPS)
    before = images.clone()
    step = Step(name, 3, 1, 5)
    for given in (images, images.contiguous(), images[:1].expand(3, -1, -1, -1), images[..., 5:105]):
        out = apply_batch([Recipe((step,))] * 3, given)
        assert out.shape == given.shape
        assert out.dtype == torch.uint8
        assert out.is_contiguous()
        assert out.untyped_storage().data_ptr() != given.untyped_storage().data_ptr()
    assert torch.equal(images, before)


def test_mixed_recipes_of_different_lengths():
    """Operators that agree exactly, so that steps build on the same pixels."""
    exact = [name for name in BATCHED if name not in TOLERANCE] + ['palette', 'webp']
    space = DegradationSpace(operators=exact)
    rng = np.random.default_rng(3)
    recipes = [Recipe(), *(space.draw(rng) for _ in range(23))]
    assert len({len(recipe.steps) for recipe in recipes}) > 3
    images = [CROPS[number % 3] for number in range(24)]
    for recipe, image, out in zip(recipes, images, apply_batch(recipes, tensor(images)), strict=True):
        np.testing.assert_array_equal(photo(out), apply(recipe, image), err_msg=str(recipe))


def test_drawn_recipes_of_all_operators():
    rng = np.random.default_rng(4)
    recipes = [DegradationSpace().draw(rng) for _ in range(30)]
    images = [CROPS[number % 3] for number in range(30)]
    done = apply_batch(recipes, tensor(images))
    differences = [
        float(cv2.absdiff(photo(out).copy(), apply(recipe, image)).mean())
        for recipe, image, out in zip(recipes, images, done, strict=True)
    ]
    assert np.median(differences) < 0.02
    assert max(differences) < 1.5  # a grey level can turn into a step of a quantiser


@pytest.mark.parametrize('name', ['brightness', 'webp'])
def test_one_operator_runs_once_for_all_photos_that_wait(name, monkeypatch):
    seen = []
    run = BATCHED['haze']
    monkeypatch.setitem(BATCHED, 'haze', lambda images, values: seen.append(values.tolist()) or run(images, values))
    recipes = [
        Recipe((Step('haze', 1),)),
        Recipe((Step(name, 2), Step('haze', 3))),
        Recipe((Step('haze', 2), Step(name, 1))),
    ]
    apply_batch(recipes, tensor(CROPS))
    levels = OPERATORS['haze'].levels
    assert seen == [[levels[0], levels[1]], [levels[2]]]


def test_no_photos_and_no_steps():
    empty = torch.zeros((0, 3, 4, 5), dtype=torch.uint8)
    assert apply_batch([], empty).shape == (0, 3, 4, 5)
    images = tensor(CROPS)
    out = apply_batch([Recipe()] * 3, images)
    assert torch.equal(out, images)
    assert out.is_contiguous()
    assert out.data_ptr() != images.data_ptr()


@pytest.mark.parametrize(
    ('count', 'images', 'message'),
    [
        (1, np.zeros((1, 3, 4, 4), np.uint8), r'images must be a uint8 tensor of shape \(B, 3, H, W\), got <class'),
        (1, torch.zeros((1, 3, 4, 4)), r'images must be a uint8 tensor .*, got torch.float32 \(1, 3, 4, 4\)'),
        (1, torch.zeros((3, 4, 4), dtype=torch.uint8), r'got torch.uint8 \(3, 4, 4\)'),
        (1, torch.zeros((1, 4, 4, 3), dtype=torch.uint8), r'got torch.uint8 \(1, 4, 4, 3\)'),
        (1, torch.zeros((1, 3, 0, 4), dtype=torch.uint8), r'images must have pixels, got shape \(1, 3, 0, 4\)'),
        (1, torch.zeros((2, 3, 4, 4), dtype=torch.uint8), 'recipes must be as many as images, 2, got 1'),
        (
            2**20,
            torch.zeros((1, 3, 1, 1024), dtype=torch.uint8).expand(2**20, -1, -1, -1),
            'images must hold less than 2.30 values',
        ),
    ],
)
def test_errors(count, images, message):
    with pytest.raises(InputError, match=message):
        apply_batch([Recipe()] * count, images)


def test_a_recipe_must_be_one():
    with pytest.raises(InputError, match="recipes must be of type Recipe, got 'haze'"):
        apply_batch(['haze'], torch.zeros((1, 3, 4, 4), dtype=torch.uint8))


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_autocast_changes_nothing(dtype):
    """The preprocessor runs inside MMEngine's autocast."""
    recipes = [Recipe((Step(name, 3, 1, 5),)) for name in ('ringing', 'resample_bicubic', 'hue', 'elastic')]
    images = tensor([CROPS[0]] * 4)
    expected = apply_batch(recipes, images)
    with torch.autocast('cpu', dtype=dtype):
        assert torch.equal(apply_batch(recipes, images), expected)


@cuda
@pytest.mark.parametrize('name', [pytest.param(name, id=name) for name in OPERATORS])
def test_gpu_agrees_with_the_cpu_engine(name):
    recipes = recipes_of(name)
    images = tensor([CROPS[1]] * len(recipes)).cuda()
    done = apply_batch(recipes, images)
    assert done.device == images.device
    assert torch.equal(done, apply_batch(recipes, images))
    for recipe, image in zip(recipes, done, strict=True):
        assert_agree(name, photo(image), apply(recipe, CROPS[1]))


@pytest.mark.parametrize('name', NAMES)
def test_what_only_a_gpu_takes_agrees_too(name, monkeypatch):
    """Sums in float64 and random numbers by the table, which a CPU has no need of."""
    from mmqpt.degradations.batched import _stream, _tensors, colour, displacement, noise, resampling

    for module in (_tensors, colour, displacement, noise, resampling):
        monkeypatch.setattr(module, 'sum_type', lambda device: torch.float64)
    for module in (_stream, noise):
        monkeypatch.setattr(module, 'random_bytes', _stream.jump_bytes)
    recipes = recipes_of(name)
    done = apply_batch(recipes, tensor([CROPS[2]] * len(recipes)))
    for recipe, image in zip(recipes, done, strict=True):
        assert_agree(name, photo(image), apply(recipe, CROPS[2]))


def table() -> str:
    """The table in docs/batched.md."""
    lines = ['| Operator | Kind | Runs | Largest mean difference | Largest difference |', '|---|---|---|---|---|']
    for name, row in OPERATORS.items():
        mean, largest = STATED.get(name, EXACT)
        if on_cpu(name):
            lines.append(f'| `{name}` | {row.kind} | CPU engine, photo by photo | the same | the same |')
        else:
            lines.append(f'| `{name}` | {row.kind} | batched | {mean:g} | {largest} |')
    return '\n'.join(lines)


def test_the_documentation_lists_every_operator():
    """When this fails, put ``table()`` into docs/batched.md."""
    assert table() in DOCS.read_text(encoding='utf-8')
