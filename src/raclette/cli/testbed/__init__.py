"""`raclette testbed`: a scenario on real processes, beside the same scenario in the simulator."""
