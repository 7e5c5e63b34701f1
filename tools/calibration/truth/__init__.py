"""Published runs, benchmarks and peaks as plans with their outcome: what constants are fitted on and scored against."""
