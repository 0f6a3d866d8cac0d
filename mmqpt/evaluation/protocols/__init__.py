"""Experiments over splits of rated sets: features, linear probe, fine-tuning, and the predictions that they give.

Imports ``evaluation.statistics`` and what is below ``evaluation``.
"""
