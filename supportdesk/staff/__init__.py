"""The staff's side of the desk: the admin site, roles, accounts and the dashboard."""
