"""Training by MMEngine: its loop, hooks and metric, and what stops, resumes and profiles a run.

Imports everything below ``engine`` in the order of the folders.
"""
