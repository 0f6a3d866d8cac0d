"""The pyiqa metric. Needs neither mmengine nor mmpretrain."""
