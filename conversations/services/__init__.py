"""Every write of the app; each function is one transaction and is run in the write lane."""
