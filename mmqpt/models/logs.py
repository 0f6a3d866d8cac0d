"""MMEngine's log, for commands that print results of their own."""

from mmengine.logging import MMLogger


def silence_mmengine() -> None:
    """Keep what MMEngine and mmpretrain's backbones announce off the terminal; warnings still come."""
    MMLogger.get_current_instance().setLevel('WARNING')
