"""The project in a folder: settings, paths, models, stages and their manifests."""
