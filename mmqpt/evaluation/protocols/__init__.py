"""Experiments over splits of rated sets: tasks, features, linear probe, fine-tuning, and the loop that runs them.

Imports ``evaluation.statistics`` and what is below ``evaluation``.
"""
