"""Where in an image the grade comes from, and whether a map that claims to show it can be believed."""
