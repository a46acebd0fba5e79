"""Spectrograms and masks as pictures; figures that are kept."""
