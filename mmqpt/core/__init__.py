"""What every stage shares: errors, reading a photo, the size rule, the quality head.

Imports nothing of OpenMMLab and nothing from the other folders of mmqpt.
"""
