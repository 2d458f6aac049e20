"""The people at the desk."""

from supportdesk.admin.staff import StaffAdmin

__all__ = ["StaffAdmin"]
