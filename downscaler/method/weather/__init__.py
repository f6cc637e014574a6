"""Weather of other sources, made like that which the prior ran on."""
