"""Freed memory stays in the process."""

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
import numpy as np
from mmqpt.core.memory import keep_freed_memory

if sys.argv[1] == 'keep':
    assert keep_freed_memory()

def work():
    for size in (700_000, 1_300_000, 2_900_000):
        for _ in range(20):
            arrays = [np.ones(size, np.uint8) for _ in range(4)]

work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(choice: str) -> int:
    done = subprocess.run([sys.executable, '-c', PROGRAM, choice], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != 'glibc', reason='a setting of glibc')
def test_arrays_of_a_megabyte_cost_no_page_faults(monkeypatch):
    for name in ('LD_PRELOAD', 'MALLOC_TRIM_THRESHOLD_', 'MALLOC_MMAP_THRESHOLD_'):
        monkeypatch.delenv(name, raising=False)
    default, kept = faults('default'), faults('keep')
    assert default > 1000
    assert kept < default / 20
