"""MMEngine's log, for commands that print results of their own."""

import logging

from mmengine.logging import MMLogger


def silence_mmengine() -> None:
    """Keep what MMEngine and mmpretrain's backbones announce off the terminal; warnings still come."""
    MMLogger.get_current_instance().setLevel('WARNING')


def leave_out_frozen_parameters(logger: logging.Logger) -> None:
    """Keep a line for each parameter that is not trained out of the log: a frozen encoder has hundreds."""
    logger.addFilter(_not_about_frozen)


def _not_about_frozen(record: logging.LogRecord) -> bool:
    return 'is skipped since its requires_grad=False' not in record.getMessage()
