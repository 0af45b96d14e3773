"""Rewrites that stay on one level."""
