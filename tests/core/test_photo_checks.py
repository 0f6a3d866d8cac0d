"""Pillow's global state, with threads and with what the user has set."""

import subprocess
import sys
import threading
import warnings

from PIL import ImageFile

from mmqpt.core.photo_checks import strict_pillow


def overlapping(second):
    """``strict_pillow`` of one thread is entered before ``second`` runs in another, and left after it."""
    inside, go_on = threading.Event(), threading.Event()

    def first():
        with strict_pillow():
            inside.set()
            assert go_on.wait(10)

    thread = threading.Thread(target=first)
    thread.start()
    assert inside.wait(10)
    try:
        return second()
    finally:
        go_on.set()
        thread.join()


def test_filters_that_a_user_sets_meanwhile_survive():
    def user():
        warnings.filterwarnings('error', 'set meanwhile')
        with strict_pillow():
            return list(warnings.filters)

    with warnings.catch_warnings():
        seen = overlapping(user)
        assert warnings.filters == seen
        assert warnings.filters[0][0] == 'error'


def test_a_users_own_block_ends_with_the_filters_it_began_with():
    """A block of ``catch_warnings`` that begins while another thread reads a photo, and ends when it no longer does."""
    before = list(warnings.filters)
    with warnings.catch_warnings():
        block = warnings.catch_warnings()
        overlapping(block.__enter__)
        block.__exit__(None, None, None)
        assert warnings.filters == before


def test_warnings_of_other_code_are_shown_meanwhile():
    def other():
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter('always')
            with strict_pillow():
                warnings.warn('not of Pillow', stacklevel=1)
            return [str(one.message) for one in seen]

    assert overlapping(other) == ['not of Pillow']


def test_the_last_thread_puts_back_whether_truncated_files_are_filled(monkeypatch):
    monkeypatch.setattr(ImageFile, 'LOAD_TRUNCATED_IMAGES', True)

    def second():
        with strict_pillow():
            pass
        return ImageFile.LOAD_TRUNCATED_IMAGES

    assert overlapping(second) is False
    assert ImageFile.LOAD_TRUNCATED_IMAGES is True


PILLOW = """
import io, sys, warnings
from PIL import Image
if sys.argv[1] == 'before':
    warnings.filterwarnings('error', category=Image.DecompressionBombWarning)
import mmqpt.core.photo_checks
if sys.argv[1] == 'after':
    warnings.filterwarnings('error', category=Image.DecompressionBombWarning)
file = io.BytesIO()
Image.new('1', (10_000, 10_000)).save(file, 'PNG')
try:
    Image.open(file)
except Image.DecompressionBombWarning:
    print('raised')
warnings.warn('of the user')
"""


def test_pillow_is_silent_unless_the_user_says_otherwise():
    for when, printed in (('never', ''), ('before', 'raised'), ('after', 'raised')):
        done = subprocess.run([sys.executable, '-c', PILLOW, when], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == printed
        assert 'DecompressionBombWarning' not in done.stderr
        assert 'UserWarning: of the user' in done.stderr
