"""Lines that are left out of the log."""

import logging

from mmqpt.models.logs import leave_out_frozen_parameters


def test_frozen_parameters_are_left_out(caplog):
    logger = logging.getLogger('mmqpt.tests.logs')
    leave_out_frozen_parameters(logger)
    with caplog.at_level('INFO', logger=logger.name):
        logger.warning('key_backbone.conv1.weight is skipped since its requires_grad=False')
        logger.warning('another warning')
    assert [record.getMessage() for record in caplog.records] == ['another warning']
