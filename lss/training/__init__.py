"""Training: the loop, its checkpoints, and one task per thing that is trained."""
