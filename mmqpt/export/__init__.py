"""Checkpoint -> safetensors, and plain backbones for timm and torchvision."""
