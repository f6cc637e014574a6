"""Weather of other sources made like the prior's."""
