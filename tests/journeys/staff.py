"""Staff in front of the admin of a whole desk."""

from __future__ import annotations

from playwright.sync_api import BrowserContext, Page, expect

from benchmarks.desk import Desk

NEW_PASSWORD = "a-long-enough-Passphrase-7"


def staff_sign_in(context: BrowserContext, desk: Desk, name: str) -> Page:
    """Sign in; the first time, choose the password that is asked for."""
    page = context.new_page()
    page.goto(f"{desk.url}/admin/")
    page.locator("[name=username]").fill(name)
    page.locator("[name=password]").fill(desk.accounts[name])
    page.locator("[name=password]").press("Enter")
    if desk.accounts[name] != NEW_PASSWORD:
        page.wait_for_url("**/admin/password_change/")  # before anything else
        page.locator("[name=old_password]").fill(desk.accounts[name])
        page.locator("[name=new_password1]").fill(NEW_PASSWORD)
        page.locator("[name=new_password2]").fill(NEW_PASSWORD)
        page.locator("[name=new_password2]").press("Enter")
        desk.accounts[name] = NEW_PASSWORD
    expect(page.locator(".desk-dashboard")).to_be_visible()
    return page


def sidebar(page: Page) -> list[str]:
    """The addresses that the sidebar offers, in their order."""
    links = page.locator("#nav-sidebar-apps ol a")
    return [str(link.get_attribute("href")) for link in links.all()]
