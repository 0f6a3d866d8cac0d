"""QPT, its loss and the quality regressor. Registered in mmpretrain by ``mmqpt.components``."""
