"""What a process needs to run: seeds, threads, memory, progress, Java."""
