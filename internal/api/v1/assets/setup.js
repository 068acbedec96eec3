"use strict";

// The secret is behind the #, which a browser sends to nobody. It leaves the address
// at once, so that it is neither in the history nor in a bookmark.
const secret = location.hash.slice(1);
history.replaceState(null, "", location.pathname);

const at = (id) => document.getElementById(id);

// show shows one section only.
function show(id) {
  for (const section of document.querySelectorAll("main > section")) section.hidden = section.id !== id;
}

// meaning is the section that says what a status means.
function meaning(status) {
  switch (status) {
    case 201: return "done";
    case 410: return "used";
    case 422: return "used";
    case 429: return "throttled";
    default: return "failed";
  }
}

async function make() {
  const button = at("make");
  const text = button.textContent;
  button.disabled = true;
  button.textContent = button.dataset.working;
  try {
    const answer = await fetch("/api/v1/setup", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ secret }),
    });
    if (answer.status === 201) at("token").value = (await answer.json()).token;
    show(meaning(answer.status));
    if (answer.status === 201) at("token").focus();
  } catch {
    show("failed");
  }
  button.disabled = false;
  button.textContent = text;
}

async function copy() {
  const button = at("copy");
  try {
    await navigator.clipboard.writeText(at("token").value);
    at("said").textContent = button.dataset.copied;
  } catch { // not over plain http to another machine
    at("token").focus();
    at("token").select();
    at("said").textContent = at("said").dataset.select;
  }
}

at("make").addEventListener("click", make);
at("again").addEventListener("click", () => { show("begin"); make(); });
at("copy").addEventListener("click", copy);
at("token").addEventListener("focus", (event) => event.target.select());
if (secret === "") show("noSecret");
// Whoever opens another link in the same window opens another page.
addEventListener("hashchange", () => location.reload());
