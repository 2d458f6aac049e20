// What the staff's pages need beyond unfold: copying, and one place for htmx's settings.
"use strict";

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) {
    return;
  }
  const source = document.getElementById(button.dataset.copy);
  const text = source.value || source.textContent;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Without https (a desk on a local network) there is no clipboard; selecting still works.
    const range = document.createRange();
    range.selectNodeContents(source);
    const selection = window.getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
    document.execCommand("copy");
  }
  const label = button.querySelector("[data-copy-label]") || button;
  const before = label.textContent;
  label.textContent = button.dataset.copied;
  window.setTimeout(() => {
    label.textContent = before;
  }, 2000);
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-insert]");
  if (!button) {
    return;
  }
  const field = document.getElementById(button.dataset.insertInto);
  field.setRangeText(button.dataset.insert, field.selectionStart, field.selectionEnd, "end");
  field.focus();
  field.dispatchEvent(new Event("input", { bubbles: true }));
});

// A link to an answer opens what stands behind it.
document.addEventListener("DOMContentLoaded", () => {
  const target = window.location.hash && document.getElementById(window.location.hash.slice(1));
  const evidence = target && target.querySelector(".desk-evidence");
  if (evidence) {
    evidence.open = true;
    target.scrollIntoView({ block: "start" });
  }
});

// The icons are ligatures of an icon font: without this, screen readers say "forum Conversations".
function iconsHide(root) {
  for (const icon of root.querySelectorAll(".material-symbols-outlined:not([aria-hidden])")) {
    const holder = icon.closest("a, button, summary, li, h1, h2") || icon.parentElement;
    const words = holder.textContent.replace(icon.textContent, "").trim();
    if (words || holder.title || holder.getAttribute("aria-label") || icon.title) {
      icon.setAttribute("aria-hidden", icon.title && !words ? "false" : "true");
    }
  }
}

document.addEventListener("DOMContentLoaded", () => {
  iconsHide(document);
  // The landmark that screen readers jump to; unfold's pages have none.
  (document.getElementById("main") || document.getElementById("page"))?.setAttribute("role", "main");
});
document.addEventListener("htmx:load", (event) => iconsHide(event.target));
