"""Quality of restored images: against the Wiener filter and Richardson-Lucy deconvolution, on simulated and real galaxies."""
