"""Skill of the hybrid on held-out days and places."""
