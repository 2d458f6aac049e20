// The playground: asks two versions of a prompt and shows both answers while they are written. The
// dialogue lives in this page only.
"use strict";

(() => {
  const form = document.getElementById("playground");
  const words = JSON.parse(document.getElementById("playground-words").textContent);
  const list = document.getElementById("play-dialogue");
  const question = document.getElementById("play-text");
  const problem = document.getElementById("play-error");
  const buttons = Object.fromEntries(
    ["save", "new", "stop", "ask", "chosen"].map((name) => [name, document.getElementById(`play-${name}`)]),
  );
  const sides = ["left", "right"];
  let dialogues = [];
  let turns = [];
  let running = null;

  function node(tag, className, text) {
    const made = document.createElement(tag);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  }

  function settings() {
    const found = {};
    for (const name of ["max_tokens", "temperature", "top_p", "repetition_penalty"]) {
      found[name] = Number(form.elements[name].value);
    }
    return found;
  }

  function versionWords(side) {
    return form.elements[side].selectedOptions[0].textContent;
  }

  function history(side) {
    return turns.filter((turn) => turn.sides[side].text).map((turn) => [turn.question, turn.sides[side].text]);
  }

  function duration(milliseconds) {
    const [unit, number] =
      milliseconds < 1000 ? [words.ms, Math.round(milliseconds)] : [words.s, (milliseconds / 1000).toFixed(1)];
    return unit.replace("%(number)s", number);
  }

  function turnShow(text) {
    const item = node("li", "desk-panel desk-play-turn");
    const asked = node("p", "desk-play-question", text);
    const labels = node("p", "desk-play-labels");
    const columns = node("div", "desk-play-columns");
    const views = {};
    for (const side of sides) {
      const column = node("section", "desk-play-side");
      const head = node("p", "desk-hint", versionWords(side));
      const status = node("span", "desk-play-status");
      head.append(" ", status);
      const answer = node("p", "desk-plain desk-play-answer");
      const facts = node("div", "desk-play-facts");
      column.append(head, answer, facts);
      columns.append(column);
      views[side] = { status, answer, facts };
    }
    item.append(asked, labels, columns);
    list.append(item);
    item.scrollIntoView({ block: "nearest" });
    return { labels, views };
  }

  function labelsShow(place, labels) {
    for (const label of labels) {
      const sure = label.sure ? label.label : `${words.unsure} (${label.label})`;
      const percent = label.probability < 1 ? ` ${Math.round(100 * label.probability)}%` : "";
      place.append(node("span", `desk-pill${label.sure ? "" : " desk-pill--warning"}`, `${label.set}: ${sure}${percent}`));
    }
  }

  function folded(title, ...content) {
    const details = node("details", "desk-prompt");
    const summary = node("summary", "desk-hint", title);
    details.append(summary, ...content);
    return details;
  }

  function doneShow(view, done) {
    view.answer.textContent = done.text;
    const figures = [];
    if (done.prompt_tokens) figures.push(`${done.prompt_tokens} ${words.read}`);
    if (done.completion_tokens) figures.push(`${done.completion_tokens} ${words.written}`);
    if (done.tokens_per_second) figures.push(`${done.tokens_per_second} ${words.speed}`);
    if (done.first_token_ms) figures.push(`${words.first} ${duration(done.first_token_ms)}`);
    if (done.total_ms) figures.push(`${words.total} ${duration(done.total_ms)}`);
    const tags = node("p", "desk-tags");
    if (done.tier_words) tags.append(node("span", "desk-pill", done.tier_words));
    if (done.reason_words) tags.append(node("span", "desk-reason", done.reason_words));
    tags.append(node("span", "desk-reason", figures.join(" · ")));
    view.facts.append(tags);
    if (done.failure) view.facts.append(node("p", "desk-error", done.failure));
    if (done.rejected) {
      const box = node("div", "desk-rejected");
      box.append(node("p", "desk-hint", words.refused), node("p", "desk-plain", done.rejected));
      view.facts.append(box);
    }
    if (done.reasoning) view.facts.append(folded(words.thought, node("pre", "desk-code", done.reasoning)));
    if (done.passages && done.passages.length) {
      const passages = node("ol", "desk-passages");
      for (const passage of done.passages) {
        const row = node("li");
        const head = node("p", "desk-passage-head", passage.title);
        head.append(node("span", "desk-hint", `${Math.round(100 * passage.probability)}%`));
        if (passage.cited) head.append(node("span", "desk-pill desk-pill--success", words.cited));
        row.append(head, node("p", "desk-plain desk-clamp", passage.text));
        passages.append(row);
      }
      view.facts.append(folded(`${words.passages} (${done.passages.length})`, passages));
    }
    if (done.prompt && done.prompt.length) {
      view.facts.append(folded(words.prompt, ...done.prompt.map((part) => node("pre", "desk-code", part.content))));
    }
  }

  function take(event, shown, turn) {
    if (event.type === "labels") {
      turn.labels = event.labels;
      labelsShow(shown.labels, event.labels);
    } else if (event.type === "error") {
      problemShow(event.text);
    } else if (event.type === "side") {
      const view = shown.views[event.side];
      const side = turn.sides[event.side];
      switch (event.event) {
        case "status": view.status.textContent = words[event.state] ? `· ${words[event.state]} …` : ""; break;
        case "delta": side.text += event.text; view.answer.textContent = side.text; break;
        case "reset": side.text = ""; view.answer.textContent = ""; break;
        case "failed": view.status.textContent = ""; view.answer.append(node("span", "desk-error", event.text)); break;
        case "done": {
          const { type, side: name, event: kind, ...rest } = event;
          Object.assign(side, rest);
          view.status.textContent = "";
          doneShow(view, rest);
        }
      }
    }
  }

  function problemShow(text) {
    problem.textContent = text;
    problem.hidden = !text;
  }

  async function ask(text) {
    const parameters = settings();
    const turn = {
      question: text,
      asked_at: new Date().toISOString(),
      labels: [],
      sides: {
        left: { version: versionWords("left"), text: "" },
        right: { version: versionWords("right"), parameters, text: "" },
      },
    };
    const shown = turnShow(text);
    const body = new FormData(form);
    body.set("text", text);
    for (const side of sides) body.set(`${side}_history`, JSON.stringify(history(side)));
    problemShow("");
    running = new AbortController();
    buttonsSet();
    let ended = false;
    try {
      const answer = await fetch(form.dataset.run, { method: "POST", body, signal: running.signal });
      if (!(answer.headers.get("Content-Type") || "").includes("json")) throw new Error(String(answer.status));
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      for (;;) {
        const { done, value } = await reader.read();
        rest += value || "";
        const lines = rest.split("\n");
        rest = done ? "" : lines.pop();
        for (const line of lines) {
          if (!line.trim()) continue;
          const event = JSON.parse(line);
          ended = ended || event.type === "end" || event.type === "error";
          take(event, shown, turn);
        }
        if (done) break;
      }
      if (!ended) problemShow(words.broken);
    } catch (error) {
      problemShow(error.name === "AbortError" ? words.stopped : words.broken);
    }
    for (const side of sides) shown.views[side].status.textContent = "";
    running = null;
    if (turn.sides.left.text || turn.sides.right.text) turns.push(turn);
    buttonsSet();
    return ended && problem.hidden;
  }

  function buttonsSet() {
    const busy = running !== null;
    buttons.ask.disabled = busy;
    if (buttons.chosen) buttons.chosen.disabled = busy;
    buttons.stop.hidden = !busy;
    buttons.new.disabled = busy || !turns.length;
    buttons.save.disabled = busy || !(turns.length || dialogues.length);
  }

  function dialogueEnd() {
    if (turns.length) dialogues.push(turns);
    turns = [];
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const text = question.value.trim();
    if (!text || running) return;
    question.value = "";
    await ask(text);
  });
  question.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      form.requestSubmit();
    }
  });
  form.addEventListener("click", (event) => {
    const chosen = event.target.closest("[data-question]");
    if (chosen) {
      question.value = chosen.dataset.question;
      question.focus();
    }
  });
  form.addEventListener("input", (event) => {
    if (event.target.type === "range") event.target.parentElement.querySelector("output").textContent = event.target.value;
  });
  buttons.stop.addEventListener("click", () => running?.abort());
  buttons.new.addEventListener("click", () => {
    dialogueEnd();
    list.append(node("li", "desk-play-break"));
    buttonsSet();
    question.focus();
  });
  buttons.chosen?.addEventListener("click", async () => {
    for (const box of form.querySelectorAll(".desk-play-list input:checked")) {
      dialogueEnd();
      if (list.childElementCount) list.append(node("li", "desk-play-break"));
      box.checked = false;
      if (!(await ask(box.value))) break;
    }
  });
  buttons.save.addEventListener("click", () => {
    const saved = {
      saved_at: new Date().toISOString(),
      prompt: document.title,
      dialogues: [...dialogues, ...(turns.length ? [turns] : [])],
    };
    const link = node("a");
    link.href = URL.createObjectURL(new Blob([JSON.stringify(saved, null, 2)], { type: "application/json" }));
    link.download = `dialogue-${saved.saved_at.slice(0, 19).replace(/[:T]/g, "-")}.json`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
})();
