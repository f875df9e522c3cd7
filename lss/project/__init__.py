"""What makes a folder a project: its settings, its paths, its models, its stages and what they leave behind."""
