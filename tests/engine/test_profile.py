"""The sentence that a profile comes to, on figures given."""

import json
from dataclasses import replace

import pytest

from mmqpt.core.errors import InputError
from mmqpt.engine.profile import LOADING, STEP, Profile, shares, table, verdict, workers_needed

FIGURES = Profile(
    device='cuda',
    cores=16,
    threads=8,
    workers=2,
    batch=32,
    loading_ms={'read': 1.0, 'decode': 5.0, 'degrade': 40.0, 'pack': 2.0, 'collate': 2.0},
    loader_rate=41.0,
    network_rate=160.0,
    step_ms={'wait': 580.0, 'transfer': 20.0, 'forward': 60.0, 'backward': 100.0, 'optimiser': 30.0, 'rest': 10.0},
    peak_memory_mib=5000.0,
)


def test_rates_and_shares():
    assert FIGURES.core_rate == 20
    assert FIGURES.train_rate == 40
    assert shares(FIGURES.loading_ms)['degrade'] == 0.8
    assert sum(shares(FIGURES.step_ms).values()) == pytest.approx(1)


@pytest.mark.parametrize(
    ('rate', 'worker', 'count'), [(160, 20.5, 8), (160, 20, 8), (161, 20, 9), (1, 20, 1), (0.3, 0.1, 3)]
)
def test_workers_needed(rate, worker, count):
    assert workers_needed(rate, worker) == count


def test_held_back_by_the_loader():
    assert verdict(FIGURES) == (
        'held back by the loader: it gives 41 photos/s (2 workers, 20.5 each), the network takes 160; '
        '6 more workers, a core each (16 cores here), would feed it; '
        'degrade is 80% of the time of loading: a smaller window or a lower order makes degrading cheaper'
    )


def test_workers_that_wait():
    found = verdict(replace(FIGURES, loader_rate=20.0))
    assert (
        '20 photos/s (2 workers, 10 each; a core alone would load 20, so they wait for the disk or for a core)' in found
    )
    assert 'wait for the disk' not in verdict(replace(FIGURES, loader_rate=30.0))


def test_held_back_by_decoding():
    slow = replace(FIGURES, loading_ms={**FIGURES.loading_ms, 'decode': 150.0})
    assert 'decode is 77% of the time of loading: smaller files or LoadPhoto(min_side=...)' in verdict(slow)


def test_no_workers():
    found = verdict(replace(FIGURES, workers=0, loader_rate=20.0))
    assert found.startswith('held back by the loader: num_workers is 0')
    assert 'num_workers=8, a core each (16 here), would feed it' in found


def test_held_back_by_the_network():
    step = {'wait': 1.0, 'transfer': 19.0, 'forward': 60.0, 'backward': 90.0, 'optimiser': 20.0, 'rest': 10.0}
    found = verdict(replace(FIGURES, workers=10, loader_rate=200.0, step_ms=step))
    assert found == (
        'held back by the network: it takes 160 photos/s, the loader gives 200 photos/s (10 workers, 20 each); '
        'backward is 45% of a step, waiting for the loader 0%; '
        '--amp, smaller or fewer patches, or more GPUs would help, and 8 workers would do'
    )
    on_gpu = verdict(replace(FIGURES, workers=1, loader_rate=200.0, step_ms={**step, 'transfer': 300.0}))
    assert 'transfer is 62% of a step' in on_gpu
    assert 'degrading in the workers (PatchPairs) instead of on the device would help' in on_gpu
    assert '1 worker, 200 each' in on_gpu
    assert 'fewer hooks' in verdict(replace(FIGURES, loader_rate=200.0, step_ms={**step, 'rest': 300.0}))


def test_on_a_cpu_loader_and_network_share_the_cores():
    here = replace(FIGURES, device='cpu', cores=2, threads=2)
    found = verdict(replace(here, network_rate=10.0))
    assert found.startswith(
        'held back by the network, on 2 CPU cores, which both share: a photo costs 50 ms of a core to load and 200 ms '
        'to train on (20% is loading); backward is 12% of a step'
    )
    found = verdict(replace(here, network_rate=50.0))
    assert found.startswith('held back by the loader, on 2 CPU cores')
    assert '50 ms of a core to load and 40 ms to train on (56% is loading); degrade is 80%' in found
    assert '50 ms of a core to load and 20 ms to train on' in verdict(replace(here, network_rate=50.0, threads=1))


def test_large_figures_have_no_exponent():
    assert 'the network takes 12300;' in verdict(replace(FIGURES, network_rate=12345.6))


def test_table_and_json_hold_every_part():
    text = table(FIGURES)
    for name in (*LOADING, *STEP):
        assert name in text
    assert text.endswith(verdict(FIGURES))
    found = json.loads(json.dumps(FIGURES.as_dict()))
    assert found['verdict'] == verdict(FIGURES)
    assert found['train_rate'] == 40
    assert set(found['step_shares']) == set(STEP)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'loader_rate': 0.0}, 'rates must be > 0 photos/s, got 0.0 and 160'),
        ({'network_rate': float('nan')}, 'rates must be > 0'),
        ({'step_ms': {'wait': 1.0}}, 'step_ms must give ms >= 0 of wait, transfer'),
        ({'loading_ms': dict.fromkeys(LOADING, 0.0)}, 'loading_ms must give ms >= 0 of read'),
        ({'loading_ms': {**FIGURES.loading_ms, 'read': -1.0}}, 'loading_ms must give'),
    ],
)
def test_figures_are_checked(changes, message):
    with pytest.raises(InputError, match=message):
        replace(FIGURES, **changes)
