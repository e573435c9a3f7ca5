"""The learned detector: the FCOS of torchvision on the feature maps of the frozen encoder, trained on boxes."""
