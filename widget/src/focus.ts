const FOCUSABLE = "button, textarea, input, a[href], [tabindex='0']";

/** Keeps Tab inside `container`, whose root is a shadow root. */
export function focusKeepInside(container: HTMLElement, event: KeyboardEvent): void {
  if (event.key !== "Tab") return;
  const reachable = [...container.querySelectorAll<HTMLElement>(FOCUSABLE)].filter(
    (each) => !(each as HTMLButtonElement).disabled && each.getClientRects().length > 0,
  );
  const first = reachable[0];
  const last = reachable.at(-1);
  if (!first || !last) return;
  const active = (container.getRootNode() as ShadowRoot).activeElement;
  if (event.shiftKey && (active === first || active === container)) {
    event.preventDefault();
    last.focus();
  } else if (!event.shiftKey && active === last) {
    event.preventDefault();
    first.focus();
  }
}
