"""Hooks that MMEngine lacks. Registered by ``mmqpt.components``."""
