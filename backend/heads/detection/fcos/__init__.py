"""The learned detector: torchvision's FCOS on the frozen encoder's feature maps, learned from boxes."""
