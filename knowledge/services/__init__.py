"""Every write to knowledge, prompts and rules."""
