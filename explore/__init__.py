"""Design points in numbers: sweeps, comparisons with other flows, search to a goal, and the page that shows them."""
