"""Pages of a website, read for an import: politely, within bounds, and from public hosts alone."""
