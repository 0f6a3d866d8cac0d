"""Correlation functions and the MMEngine metric."""
