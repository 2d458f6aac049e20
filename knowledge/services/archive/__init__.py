"""Everything that a desk knows in one ZIP, and back again."""
