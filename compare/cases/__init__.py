"""Stage 1: what to compare. Data only: importing a case imports no framework."""
