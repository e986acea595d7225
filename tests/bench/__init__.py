"""Benchmarks: ratios and figures of one run, side by side. No test depends on them."""
