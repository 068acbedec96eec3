"use strict";

// What the pages have in common.

const at = (id) => document.getElementById(id);

// say is a text of the page in the language of its reader.
const say = (key) => document.querySelector(`[data-text="${key}"]`)?.textContent ?? key;

// show shows one section only and puts the focus where one goes on.
function show(id) {
  for (const section of document.querySelectorAll("main > section")) section.hidden = section.id !== id;
  const section = at(id);
  const first = section.querySelector("input:not([type=hidden]), button") ?? section.querySelector("h2");
  if (first) first.focus();
}

// ask asks the API; the header says that it is our own page that does.
async function ask(method, path, body) {
  const answer = await fetch("/api/v1" + path, {
    method,
    headers: { "X-Lotse-Page": "1", ...(body === undefined ? {} : { "Content-Type": "application/json" }) },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await answer.text();
  let value = {};
  try {
    value = JSON.parse(text);
  } catch { /* none, or not ours */ }
  return { ok: answer.ok, status: answer.status, value, wait: Number(answer.headers.get("Retry-After") ?? 0) };
}

// why is what a person should know of an answer that is no success.
function why(answer) {
  const { code, errors } = answer.value;
  for (const one of errors ?? []) {
    const text = say("field-" + one.message);
    if (!text.startsWith("field-")) return text;
  }
  if (code === "too-many") {
    const minutes = Math.ceil(answer.wait / 60);
    return answer.wait > 60 ? say("problem-too-many-minutes").replace("{n}", minutes) : say("problem-too-many").replace("{n}", answer.wait || 1);
  }
  const text = say("problem-" + code);
  return text.startsWith("problem-") ? say("problem-other") : text;
}

// tell shows a message of a form, or takes it away.
function tell(form, message) {
  const place = form.querySelector("[role=alert]");
  place.textContent = message;
  place.hidden = message === "";
}

// form has a form sent by send, which returns an answer; done is called with a success.
function form(id, send, done) {
  const element = at(id);
  element.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = element.querySelector("button:not([type=button])");
    button.disabled = true;
    tell(element, "");
    try {
      const answer = await send(Object.fromEntries(new FormData(element)));
      if (!answer) return;
      if (answer.ok) {
        element.reset();
        await done(answer.value);
      } else {
        tell(element, why(answer));
        element.querySelector("input:not([readonly])")?.select();
      }
    } catch {
      tell(element, say("problem-other"));
    } finally {
      button.disabled = false;
    }
  });
}

// same tells whether a new password was typed twice alike, and says so otherwise.
function same(id, fields) {
  if (fields.password === fields.again) return true;
  tell(at(id), say("not-alike"));
  return false;
}

// draw draws the picture that an authenticator reads: one row of modules after the other.
function draw(svg, rows) {
  const n = rows.length;
  svg.setAttribute("viewBox", `0 0 ${n + 8} ${n + 8}`);
  svg.replaceChildren();
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  let d = "";
  rows.forEach((row, y) => [...row].forEach((module, x) => { if (module === "1") d += `M${x + 4} ${y + 4}h1v1h-1z`; }));
  path.setAttribute("d", d);
  svg.append(path);
}

// enrolment begins a second factor in a section that has a form with its code.
async function enrolment(prefix) {
  const answer = await ask("POST", "/me/factors", { kind: "totp" });
  if (!answer.ok) return answer;
  draw(at(prefix + "-qr"), answer.value.qr);
  at(prefix + "-secret").textContent = answer.value.secret.replace(/(.{4})/g, "$1 ").trim();
  at(prefix + "-form").dataset.factor = answer.value.id;
  return answer;
}

// gesture lets the browser answer what a path begins with a passkey; null when the person
// gave up, or the answer of the API when that is no success.
async function gesture(path, verb) {
  const answer = await ask("POST", path, {});
  if (!answer.ok) return { refused: answer };
  const { ceremony, options } = answer.value;
  try {
    const made = verb === "create"
      ? await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options) })
      : await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) });
    return { proof: { ceremony, answer: made.toJSON() } };
  } catch {
    return null;
  }
}

// passkey proves one at a path.
async function passkey(path) {
  const made = await gesture("/login/passkey/options", "get");
  if (!made) return { ok: false, value: { code: "no-gesture" }, wait: 0 };
  return made.refused ?? ask("POST", path, made.proof);
}

// press has a button do something that answers, with its message in the form of a section.
function press(id, section, action, done) {
  at(id).addEventListener("click", async () => {
    at(id).disabled = true;
    tell(at(section), "");
    try {
      const answer = await action();
      if (answer.ok) await done(answer.value);
      else tell(at(section), why(answer));
    } catch {
      tell(at(section), say("problem-other"));
    } finally {
      at(id).disabled = false;
    }
  });
}

// ways shows the other ways to prove who somebody is: a passkey, and each identity provider.
async function ways(id, section, path, known) {
  const place = at(id);
  const { passkeys, providers } = known;
  const usable = passkeys && window.PublicKeyCredential?.parseRequestOptionsFromJSON;
  place.querySelector("[data-passkey]").hidden = !usable;
  for (const { id: provider, name } of providers) {
    const made = document.createElement("button");
    made.type = "button";
    made.className = "second";
    made.textContent = say("with").replace("{name}", name);
    made.addEventListener("click", async () => {
      const answer = await ask("POST", path + provider, {}).catch(() => ({ ok: false, value: {} }));
      if (answer.ok) location.assign(answer.value.address);
      else tell(at(section), why(answer));
    });
    place.append(made);
  }
  place.hidden = !usable && providers.length === 0;
}

// client is what a browser calls itself, as people call it.
function client(agent) {
  const browser = [["Edg/", "Edge"], ["Firefox/", "Firefox"], ["Chrome/", "Chrome"], ["Safari/", "Safari"]].find(([mark]) => agent.includes(mark));
  const system = [["Android", "Android"], ["iPhone", "iPhone"], ["iPad", "iPad"], ["Windows", "Windows"], ["Mac OS", "macOS"], ["Linux", "Linux"]].find(([mark]) => agent.includes(mark));
  return browser ? browser[1] + (system ? `, ${system[1]}` : "") : agent.slice(0, 60);
}

// device is what a new passkey is called.
const device = () => client(navigator.userAgent).slice(0, 60) || "Passkey";
