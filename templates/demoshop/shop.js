// The shop's own script: a question on the page opens the chat with it, and a customer may be
// logged in. A real shop does the latter on its server (docs/embedding.md).
for (const button of document.querySelectorAll(".question")) {
  button.addEventListener("click", () => window.SupportDesk?.open(button.textContent));
}

const account = document.querySelector(".account");
const buttons = [...account.querySelectorAll(".customer")];
const STORED = "demoshop:customer";

function stored() {
  try {
    return localStorage.getItem(STORED) ?? "";
  } catch {
    return ""; // storage is blocked: nobody stays logged in
  }
}

async function token(customer) {
  const query = new URLSearchParams({ customer, language: account.dataset.language });
  const answer = await fetch(`/identity?${query}`, { cache: "no-store" });
  if (!answer.ok) throw new Error(`the shop gave no identity: ${answer.status}`);
  return answer.text();
}

function show(customer) {
  for (const button of buttons) {
    button.setAttribute("aria-pressed", String(button.dataset.customer === customer));
  }
}

function logIn(customer) {
  try {
    localStorage.setItem(STORED, customer);
  } catch {
    // Good for this page only.
  }
  show(customer);
  window.SupportDesk?.identify(customer === "" ? null : () => token(customer));
}

function resume() {
  const customer = stored();
  if (!buttons.some((button) => button.dataset.customer === customer)) return;
  show(customer);
  if (customer !== "") window.SupportDesk?.identify(() => token(customer));
}

if (buttons.length > 1) {
  account.hidden = document.querySelector(".orders").hidden = false;
  for (const button of buttons) {
    button.addEventListener("click", () => logIn(button.dataset.customer));
  }
  if (window.SupportDesk) resume();
  else window.addEventListener("supportdesk:ready", resume, { once: true });
}
