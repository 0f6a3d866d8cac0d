"""From one photo to patches of degraded versions."""

import itertools

import cv2
import numpy as np
import pytest
import torch
from mmcv.transforms import LoadImageFromFile
from mmengine.dataset import Compose
from scipy import stats

from mmqpt.core.errors import InputError
from mmqpt.datasets.transforms import patch_pairs
from mmqpt.datasets.transforms.packing import PackPatchPairs
from mmqpt.datasets.transforms.patch_pairs import PatchPairs
from mmqpt.degradations import OPERATORS, apply, recipe_distance
from mmqpt.degradations.region import view_regions


@pytest.fixture
def bgr(photos):
    return np.ascontiguousarray(photos[1][100:228, 150:310, ::-1])


@pytest.fixture
def degraded(monkeypatch):
    """What ``view_regions`` was given: (recipe, image) of every call."""
    calls = []

    def spy(recipe, image, regions):
        calls.append((recipe, image.copy()))
        return view_regions(recipe, image, regions)

    monkeypatch.setattr(patch_pairs, 'view_regions', spy)
    return calls


def run(transform: PatchPairs, image: np.ndarray, seed: int = 0) -> dict:
    return transform({'img': image, 'rng': np.random.default_rng(seed)})


def overlap(first, second, size: int) -> int:
    """Pixels that two patches share, counted one by one."""
    (y0, x0), (y1, x1) = first, second
    rows = set(range(y0, y0 + size)) & set(range(y1, y1 + size))
    columns = set(range(x0, x0 + size)) & set(range(x1, x1 + size))
    return len(rows) * len(columns)


@pytest.mark.parametrize('positions', ['independent', 'shared', 'mixed'])
@pytest.mark.parametrize(('versions', 'patches'), [(2, 2), (3, 2), (2, 4)])
def test_patches_are_pixels_of_the_degraded_photo(bgr, positions, versions, patches):
    codecs = [name for name, row in OPERATORS.items() if row.approximate]
    space = {'operators': [name for name in OPERATORS if name not in codecs]}
    transform = PatchPairs(40, versions, patches, space, window=None, positions=positions)
    kept = bgr.copy()
    for seed in range(8):
        results = run(transform, bgr, seed)
        assert results['patches'].shape == (versions, patches, 40, 40, 3)
        assert results['patches'].dtype == np.uint8
        assert results['positions'].shape == (versions, patches, 2)
        assert len(results['recipes']) == versions
        for version, recipe in enumerate(results['recipes']):
            expected = apply(recipe, bgr[..., ::-1])[..., ::-1]
            for patch, (y, x) in zip(results['patches'][version], results['positions'][version], strict=True):
                difference = cv2.absdiff(patch, expected[y : y + 40, x : x + 40].copy())
                assert (difference > 1).mean() < 0.001  # half grey levels fall to either side, see Operator.ties
    np.testing.assert_array_equal(bgr, kept)


@pytest.mark.parametrize('positions', ['independent', 'shared', 'mixed'])
def test_only_what_the_patches_show_is_degraded(bgr, monkeypatch, positions):
    asked = []

    def spy(recipe, image, regions):
        asked.append(regions)
        return view_regions(recipe, image, regions)

    monkeypatch.setattr(patch_pairs, 'view_regions', spy)
    transform = PatchPairs(24, versions=3, patches=3, window=None, positions=positions)
    for seed in range(10):
        asked.clear()
        for places, regions in zip(run(transform, bgr, seed)['positions'], asked, strict=True):
            assert regions == [(y, x, y + 24, x + 24) for y, x in places]


def test_versions_have_different_recipes(bgr):
    space = {'operators': ['jpeg', 'haze'], 'levels': (1,), 'order': 1}
    transform = PatchPairs(16, versions=4, space=space, window=64)
    for seed in range(100):
        keys = [recipe.key for recipe in run(transform, bgr, seed)['recipes']]
        assert len(set(keys)) == 4


@pytest.mark.parametrize(('least', 'most', 'versions'), [(0.0, 0.2, 2), (0.4, 1.0, 3), (2.0, None, 3)])
def test_versions_are_as_far_apart_as_asked(bgr, least, most, versions):
    transform = PatchPairs(16, versions=versions, window=32, min_distance=least, max_distance=most)
    for seed in range(40):
        for one, two in itertools.combinations(run(transform, bgr, seed)['recipes'], 2):
            assert one.key != two.key
            assert least - 1e-9 <= recipe_distance(one, two) <= (most or 99) + 1e-9


def test_sample_is_a_function_of_the_rng(bgr):
    transform = PatchPairs(32, window=64)
    first, again, other = run(transform, bgr, 1), run(PatchPairs(32, window=64), bgr, 1), run(transform, bgr, 2)
    np.testing.assert_array_equal(first['patches'], again['patches'])
    np.testing.assert_array_equal(first['positions'], again['positions'])
    assert first['recipes'] == again['recipes'] != other['recipes']


def test_positions_of_the_versions(bgr):
    shared = [run(PatchPairs(32, versions=3, positions='shared'), bgr, seed)['positions'] for seed in range(20)]
    assert all((places == places[0]).all() for places in shared)
    assert any((places != shared[0]).any() for places in shared)
    independent = [run(PatchPairs(32, versions=3), bgr, seed)['positions'] for seed in range(20)]
    assert all((places[0] != places[1]).any() and (places[1] != places[2]).any() for places in independent)


@pytest.mark.parametrize('share', [0.2, 0.5, 0.9])
def test_a_share_of_the_samples_has_all_versions_at_shared_places(bgr, share):
    transform = PatchPairs(32, versions=3, positions='mixed', shared=share)
    samples = [transform.draw({'img': bgr, 'rng': np.random.default_rng(seed)}) for seed in range(400)]
    equal = [[bool((places[0] == other).all()) for other in places[1:]] for _, _, places in samples]
    assert all(all(sample) or not any(sample) for sample in equal)  # all versions, or none
    together = sum(sample[0] for sample in equal)
    assert stats.binomtest(together, 400, share).pvalue > 1e-3
    assert len({places.tobytes() for _, _, places in samples}) > 390


def test_recipes_do_not_depend_on_how_places_are_drawn(bgr):
    found = [run(PatchPairs(32, positions=positions), bgr)['recipes'] for positions in patch_pairs.POSITIONS]
    assert found[0] == found[1] == found[2]


def test_mild_pairs_of_groups_at_mixed_places(bgr):
    transform = PatchPairs(32, space={'preset': 'camera'}, positions='mixed', max_distance=0.2)
    for seed in range(30):
        one, two = run(transform, bgr, seed)['recipes']
        assert one in transform.space
        assert two in transform.space
        assert recipe_distance(one, two) == pytest.approx(0.2)


@pytest.mark.parametrize('window', [64, 100, 140])
def test_all_versions_share_a_window_of_the_photo(bgr, degraded, window):
    transform = PatchPairs(32, versions=3, window=window)
    corners = set()
    for seed in range(30):
        degraded.clear()
        results = run(transform, bgr, seed)
        assert [recipe for recipe, _ in degraded] == results['recipes']
        image = degraded[0][1]
        assert image.shape == (min(window, 128), min(window, 160), 3)
        for _, other in degraded:
            np.testing.assert_array_equal(other, image)
        height, width = image.shape[:2]
        found = [
            (y, x)
            for y, x in itertools.product(range(128 - height + 1), range(160 - width + 1))
            if (bgr[y, x, ::-1] == image[0, 0]).all() and (bgr[y : y + height, x : x + width, ::-1] == image).all()
        ]
        assert len(found) == 1
        corners |= set(found)
        assert (results['positions'] >= 0).all()
        assert (results['positions'] <= np.array([height, width]) - 32).all()
    assert len(corners) > 10


@pytest.mark.parametrize('size', [(20, 30), (31, 200), (64, 32), (1, 1), (5, 3)])
def test_small_photos_are_enlarged_once_for_all_versions(photos, degraded, size):
    image = np.ascontiguousarray(photos[0][: size[0], : size[1], ::-1])
    transform = PatchPairs(32, versions=3, window=None)
    results = run(transform, image)
    height, width = transform.target_size(*size)
    expected = cv2.resize(image, (width, height), interpolation=cv2.INTER_CUBIC)[..., ::-1]
    assert len(degraded) == 3
    for _, seen in degraded:
        np.testing.assert_array_equal(seen, expected)
    assert results['patches'].shape == (3, 2, 32, 32, 3)


@pytest.mark.parametrize('patches', [2, 3, 4])
@pytest.mark.parametrize('max_overlap', [0, 0.25, 0.5, 1])
def test_target_size_is_the_least_that_holds_the_patches(patches, max_overlap):
    transform = PatchPairs(10, patches=patches, max_overlap=max_overlap, window=None)

    def fits(height: int, width: int) -> bool:
        """Whether patches on some grid with the least allowed pitch lie inside."""
        pitch = next(p for p in range(1, 11) if 10 - p <= 10 * max_overlap)
        grids = [(-(-patches // columns), columns) for columns in range(1, patches + 1)]
        return any(10 + (rows - 1) * pitch <= height and 10 + (cols - 1) * pitch <= width for rows, cols in grids)

    for height, width in itertools.product(range(1, 45, 3), repeat=2):
        target = transform.target_size(height, width)
        if fits(height, width):
            assert target == (height, width)
        else:
            assert fits(*target)
            # One scale for both sides up to rounding, and no larger than needed.
            scale = max(target[0] / height, target[1] / width)
            assert abs(target[0] - height * scale) <= 1 + height / min(height, width)
            assert abs(target[1] - width * scale) <= 1 + width / min(height, width)
            smallest = min(target[0] / height, target[1] / width)
            shrunk = 1 - 1.001 * max(1 / target[0], 1 / target[1])
            assert not fits(int(height * smallest * shrunk), int(width * smallest * shrunk))


@pytest.mark.parametrize('patches', [2, 3, 4])
@pytest.mark.parametrize('max_overlap', [0, 0.3, 0.5, 1])
def test_overlap_bound_holds(patches, max_overlap, rng):
    size = 12
    transform = PatchPairs(size, patches=patches, max_overlap=max_overlap, window=None)
    # Photos just large enough: square, wide and tall; one a little larger; one with room to spare.
    just_fit = [transform.target_size(*shape) for shape in ((1, 1), (1, 50), (50, 1), (2, 3))]
    spare = [(just_fit[0][0] + 1, just_fit[0][1] + 2), (60, 80)]
    for height, width in just_fit + spare:
        for _ in range(60):
            places = transform.draw_positions(height, width, rng)
            assert len(places) == patches
            for y, x in places:
                assert 0 <= y <= height - size
                assert 0 <= x <= width - size
            for first, second in itertools.combinations(places, 2):
                assert overlap(first, second, size) <= max_overlap * size * size


def test_grid_fallback_reaches_every_place_and_order(rng):
    """Four patches that may not overlap in a photo that holds just them."""
    transform = PatchPairs(12, patches=4, max_overlap=0, window=None)
    corners = [(0, 0), (0, 12), (12, 0), (12, 12)]
    seen = set()
    for _ in range(400):
        places = transform.draw_positions(24, 24, rng)
        assert sorted(places) == corners
        seen.add(tuple(places))
    assert len(seen) == 24


def test_grid_fallback_is_moved_as_a_whole(rng):
    transform = PatchPairs(12, patches=4, max_overlap=0, window=None)
    offsets = set()
    for _ in range(100):
        places = sorted(transform.draw_positions(25, 26, rng))
        for first, second in itertools.combinations(places, 2):
            assert overlap(first, second, 12) == 0
        offsets.add(places[0])
    assert len(offsets) > 3


def test_positions_are_uniform(rng):
    transform = PatchPairs(8, max_overlap=1, window=None)
    places = [place for _ in range(2000) for place in transform.draw_positions(11, 12, rng)]
    counts = np.zeros((4, 5))
    for y, x in places:
        counts[y, x] += 1
    assert stats.chisquare(counts.ravel()).pvalue > 1e-3


def test_patches_keep_the_scale_of_a_large_photo(bgr):
    assert PatchPairs(40, window=None).target_size(*bgr.shape[:2]) == bgr.shape[:2]


def test_plain_openmmlab_pipeline(photo_folder):
    path = str(sorted(photo_folder.iterdir())[0])
    pipeline = Compose([LoadImageFromFile(), PatchPairs(64, versions=3, patches=2), PackPatchPairs()])
    sample = pipeline({'img_path': path})
    assert sample['inputs'].shape == (3, 2, 3, 64, 64)
    assert sample['inputs'].dtype == torch.uint8
    assert sample['data_samples'].img_path == path
    assert len(sample['data_samples'].recipes) == 3
    assert sample['data_samples'].positions.shape == (3, 2, 2)
    assert 'skipped' not in sample['data_samples'].metainfo


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'patch_size': 0}, 'patch_size must be an integer >= 1, got 0'),
        ({'patch_size': 32.0}, 'patch_size must be an integer >= 1, got 32.0'),
        ({'versions': 1}, 'versions must be an integer >= 2, got 1'),
        ({'versions': True}, 'versions must be an integer >= 2, got True'),
        ({'patches': 1}, 'patches must be an integer >= 2, got 1'),
        ({'max_overlap': -0.1}, 'max_overlap must be a share from 0 to 1, got -0.1'),
        ({'max_overlap': 1.1}, 'max_overlap must be a share from 0 to 1, got 1.1'),
        ({'positions': 'random'}, "positions must be 'independent', 'shared' or 'mixed', got 'random'"),
        ({'positions': 'mixed', 'shared': 1}, 'shared must be a share above 0 and below 1, got 1'),
        ({'positions': 'mixed', 'shared': 0.0}, 'shared must be a share above 0 and below 1, got 0.0'),
        ({'positions': 'mixed', 'shared': True}, 'shared must be a share above 0 and below 1, got True'),
        (
            {'versions': 3, 'space': {'operators': ['jpeg'], 'levels': (1,), 'order': 1}},
            'versions is 3, but the space holds 2',
        ),
        ({'space': {'order': 0}}, 'order must be an integer >= 1, got 0'),
        (
            {'space': {'preset': 'small'}},
            "unknown preset 'small'; there are: qpt-paper, large, camera, camera-lowlight, kadid",
        ),
        ({'min_distance': 3, 'max_distance': 2}, r'max_distance must be .* >= min_distance \(3\), or None, got 2'),
        ({'versions': 3, 'max_distance': 0.2}, 'could not find 3 recipes at distances of 0.0 to 0.2 in 2000 draws'),
        (
            {'patch_size': 32, 'patches': 4, 'max_overlap': 0, 'window': 63},
            'window must be >= 64 px to hold 4 patches of 32 px with max_overlap 0, got 63',
        ),
        ({'patch_size': 32, 'window': 47}, 'window must be >= 48 px to hold 2 patches of 32 px'),
    ],
)
def test_errors(options, message):
    with pytest.raises(InputError, match=message):
        PatchPairs(**options)


def test_smallest_window_works(bgr):
    transform = PatchPairs(32, patches=4, max_overlap=0, window=64)
    for seed in range(20):
        for places in run(transform, bgr, seed)['positions']:
            assert sorted(map(tuple, places.tolist())) == [(0, 0), (0, 32), (32, 0), (32, 32)]


def grouped(transform, image, position, group, epoch=0):
    entropy = (5, epoch, position, group)
    return transform.draw({'img': image, 'rng': np.random.default_rng(entropy), 'sample_key': (0, list(entropy))})


def test_samples_of_a_group_have_the_same_recipes_with_seeds_of_their_own(bgr):
    transform = PatchPairs(32, versions=3, group_recipes=True)
    first, second = grouped(transform, bgr, 4, 1), grouped(transform, bgr, 5, 1)
    other, later = grouped(transform, bgr, 8, 2), grouped(transform, bgr, 4, 1, epoch=1)
    keys = [[recipe.key for recipe in recipes] for _, recipes, _ in (first, second, other, later)]
    assert keys[0] == keys[1]
    assert keys[0] != keys[2]
    assert keys[0] != keys[3]
    seeds = [{step.seed for recipe in recipes for step in recipe.steps} for _, recipes, _ in (first, second)]
    assert not seeds[0] & seeds[1]
    assert (first[2] != second[2]).any()
    again = grouped(PatchPairs(32, versions=3, group_recipes=True), bgr, 4, 1)
    assert again[1] == first[1]


def test_groups_come_from_the_sampler(bgr):
    for sample in ({}, {'sample_key': (0, [5, 0, 4])}):
        with pytest.raises(InputError, match=r'needs samples in groups: SeededSampler\(recipe_group=...\)'):
            PatchPairs(32, group_recipes=True).draw({'img': bgr, 'rng': np.random.default_rng(0), **sample})
