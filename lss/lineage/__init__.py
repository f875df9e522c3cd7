"""From a result back to the raw files: what the manifests of a run state, and whether the files still agree."""
