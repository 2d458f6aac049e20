"""A customer in front of the demo shop of a whole desk."""

from __future__ import annotations

from playwright.sync_api import BrowserContext, Page, expect

from benchmarks.desk import Desk

ANSWER_MS = 30_000


def shop_open(context: BrowserContext, desk: Desk) -> Page:
    page = context.new_page()
    page.goto(desk.shop_origin)
    page.locator("support-desk .launcher").click()
    page.locator("support-desk .panel").wait_for()
    return page


def ask(page: Page, question: str) -> str:
    """Ask, and wait for the final answer; its text."""
    answers = page.locator("support-desk .message.assistant:not(.live)")
    before = answers.count()
    field = page.locator("support-desk .input")
    field.fill(question)
    field.press("Enter")
    expect(answers).to_have_count(before + 1, timeout=ANSWER_MS)
    return answers.last.inner_text()
