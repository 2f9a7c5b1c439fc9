"""The contract of all models, integrators, thresholds, recorders and the driver."""
