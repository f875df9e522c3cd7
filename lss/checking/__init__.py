"""All problems of a cohort at once, before anything runs: the verb `lss check`."""
