"""The versions, oldest first; each names the one before it."""
