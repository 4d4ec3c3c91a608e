"""Stage 5: say it. Every view is made from the same verdicts."""
