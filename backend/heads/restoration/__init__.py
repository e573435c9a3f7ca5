"""Restoration: deconvolved and denoised images with an uncertainty map (docs/restoration.md)."""
