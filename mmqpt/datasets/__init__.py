"""Photo folders, the patch-pair transform, IQA sets with MOS. Registered in mmpretrain by ``mmqpt.components``."""
