"""What every other folder needs: errors, whole files, reading a photo, the size rule, the format of weights, what is
known of networks, and the quality head.

Imports nothing of OpenMMLab, and nothing of mmqpt but ``version``.
"""
