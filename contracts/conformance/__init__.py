"""What Schemathesis makes of a spec, and how its cases become calls of a run."""
