// The shop's own script: a question on the page opens the chat with it.
for (const button of document.querySelectorAll(".question")) {
  button.addEventListener("click", () => window.SupportDesk?.open(button.textContent));
}
