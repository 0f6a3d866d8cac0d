"""Training by MMEngine: its loop, hooks and metric, and what stops, resumes and profiles a run. Nothing else needs it.

Imports any folder before it: ``core``, ``degradations``, ``datasets``, ``models`` and ``evaluation``. What it asks of a
model is in ``mmqpt.models.protocol``; what it asks of MMEngine's runner, in ``runner_state.py``.
"""
