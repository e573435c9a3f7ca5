"""The learned detector: torchvision's FCOS on the feature maps of the frozen encoder, trained on boxes."""
