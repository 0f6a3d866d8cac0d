"""A repr names all arguments, and breaks where one isn't kept."""

import pytest

from mmqpt.core.settings_repr import SettingsRepr


def test_names_all_arguments():
    class Crop(SettingsRepr):
        def __init__(self, side, flip=0.5):
            self.side, self.flip = side, flip

    assert repr(Crop(64)) == 'Crop(side=64, flip=0.5)'


def test_an_argument_that_is_not_kept_is_an_error():
    class Crop(SettingsRepr):
        def __init__(self, side):
            pass

    with pytest.raises(AttributeError, match='side'):
        repr(Crop(64))


def test_a_class_without_arguments():
    class Pack(SettingsRepr):
        pass

    assert repr(Pack()) == 'Pack()'
