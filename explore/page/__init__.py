"""The page of a sweep, or of one design: one HTML file with plots by Vega-Lite, that opens without a network."""
