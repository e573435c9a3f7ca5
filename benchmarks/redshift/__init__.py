"""Redshifts from magnitudes and metallicities from images: heads of Number controls against neighbours and ridge."""
