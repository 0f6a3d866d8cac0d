"""Damaged and crafted files for every reader: see docs/security.md."""
