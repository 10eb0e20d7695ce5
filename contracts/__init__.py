"""Contract tests of any implementation of the APIs in `specs`: rights, rows, workflows, queries, sums, files, forms."""
