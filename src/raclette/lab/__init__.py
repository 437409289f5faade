"""The lab: scenarios, attacks, experiments, sweeps and the pictures they give."""
