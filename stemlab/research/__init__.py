"""What stems are worth and what they cost: metrics, references, sweeps, benchmarks."""
