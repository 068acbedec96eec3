"use strict";

const time = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "medium", timeStyle: "short" });
const when = (text) => time.format(new Date(text));

// element makes an element with a text.
function element(name, text, className) {
  const made = document.createElement(name);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

// manage asks the API for something that may need the password once more; then it is
// asked for, and the same is sent again.
async function manage(method, path, body) {
  const answer = await ask(method, path, body);
  if (answer.value.code !== "reauthenticate") return answer;
  return await proved() ? ask(method, path, body) : null;
}

let settle = () => {};

// proved asks for the password, and tells whether it was right.
function proved() {
  show("prove");
  return new Promise((resolve) => {
    settle = (yes) => {
      tell(at("prove-form"), "");
      show("account");
      resolve(yes);
    };
  });
}

form("prove-form", ({ password }) => ask("POST", "/login/again", { password }), () => settle(true));
at("prove-cancel").addEventListener("click", () => settle(false));

// act does something and shows the account as it is then.
async function act(method, path) {
  at("said").textContent = "";
  const answer = await manage(method, path).catch(() => ({ ok: false, value: {} }));
  if (answer) fail(answer.ok ? "" : why(answer));
  await load();
}

function fail(message) {
  at("failed").textContent = message;
  at("failed").hidden = message === "";
}

function item(title, details, button) {
  const li = document.createElement("li");
  const text = document.createElement("div");
  text.append(element("strong", title), ...details.map((detail) => element("span", detail, "quiet")));
  li.append(text);
  if (button) li.append(button);
  return li;
}

function button(text, label, action) {
  const made = element("button", text, "second");
  made.type = "button";
  made.setAttribute("aria-label", `${text}: ${label}`);
  made.addEventListener("click", action);
  return made;
}

function sessions(list) {
  at("sessions").replaceChildren(...list.map((s) => {
    const name = client(s.client);
    const details = [`${say("from")} ${s.address} · ${say("since")} ${when(s.since)} · ${say("used")} ${when(s.used)}`];
    return s.this ? item(`${name} (${say("this")})`, details) : item(name, details, button(say("end"), `${name}, ${when(s.since)}`, () => act("DELETE", "/sessions/" + s.id)));
  }));
  at("others").hidden = list.length < 2;
}

function factors(list) {
  at("none").hidden = list.length > 0;
  at("factors").replaceChildren(...list.map((f) => item(f.kind === "totp" ? say("factorTOTP") : `${say("factorPasskey")}: ${f.name}`,
    [`${say("added")} ${when(f.created)}` + (f.used ? ` · ${say("used")} ${when(f.used)}` : "")],
    button(say("remove"), when(f.created), () => act("DELETE", "/me/factors/" + f.id)))));
}

// load shows the account as it is.
async function load() {
  const [me, mine, own] = await Promise.all([ask("GET", "/me"), ask("GET", "/sessions"), ask("GET", "/me/factors")]);
  if (!me.ok || !mine.ok || !own.ok) {
    location.replace("/login?to=/account");
    return;
  }
  at("name").textContent = me.value.name;
  at("login").textContent = at("username").value = me.value.login;
  at("roles").textContent = me.value.roles.map((role) => say("role-" + role)).join(", ");
  at("sites").textContent = me.value.sites ? say("someSites") : say("allSites");
  sessions(mine.value.sessions);
  factors(own.value.factors);
  at("programs").hidden = !me.value.permissions.includes("tokens.manage");
  at("account").hidden = false;
}

at("logout").addEventListener("click", async () => {
  await ask("POST", "/logout");
  location.replace("/login");
});
at("others").addEventListener("click", () => act("DELETE", "/sessions"));

// enrolling shows what begins a second factor, in place of what offers it.
function enrolling(yes) {
  at("enrol").hidden = !yes;
  at("add").hidden = yes;
  (yes ? at("code") : at("add")).focus();
}

at("add").addEventListener("click", async () => {
  let answer = await enrolment("enrol");
  if (answer.value.code === "reauthenticate" && await proved()) answer = await enrolment("enrol");
  if (answer.ok) enrolling(true);
  else if (answer.value.code !== "reauthenticate") fail(why(answer));
});

// addPasskey registers one; null when the person gave up.
async function addPasskey() {
  let made = await gesture("/me/passkeys/options", "create");
  if (made?.refused?.value.code === "reauthenticate") made = await proved() ? await gesture("/me/passkeys/options", "create") : null;
  if (!made) return;
  const answer = made.refused ?? await ask("POST", "/me/passkeys", { ...made.proof, name: device() });
  fail(answer.ok ? "" : why(answer));
  await load();
}

at("add-passkey").addEventListener("click", () => addPasskey().catch(() => fail(say("problem-other"))));
press("prove-passkey", "prove-form", () => passkey("/login/again/passkey"), () => settle(true));
ask("GET", "/login/providers").then(async ({ ok, value }) => {
  if (!ok) return;
  await ways("prove-ways", "prove-form", "/login/again/providers/", value);
  at("add-passkey").hidden = at("prove-passkey").hidden;
}).catch(() => {});

at("enrol-cancel").addEventListener("click", () => enrolling(false));
form("enrol-form", ({ code }) => ask("POST", `/me/factors/${at("enrol-form").dataset.factor}/confirm`, { code: code.replace(/\s/g, "") }), async () => {
  enrolling(false);
  await load();
});
form("token-form", ({ name, role }) => manage("POST", "/tokens", { name, role }), (made) => {
  at("token").value = made.token ?? say("tokenWaits");
  at("made").hidden = false;
  at("token").select();
});
form("password-form", (fields) => same("password-form", fields) && ask("PUT", "/me/password", { present: fields.present, password: fields.password }), async () => {
  at("said").textContent = say("changed");
  await load();
  at("said").scrollIntoView({ block: "center" });
});

load().catch(() => location.replace("/login?to=/account"));
