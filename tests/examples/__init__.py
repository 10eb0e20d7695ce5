"""What fixtures/README.md shows of the pytest plugin, as tests that run."""
