"""Tests of the sample generator, on samples of their own."""
