"""Labelling configs of Label Studio: their controls, labels, visibility and the instructions for annotators."""
