"use strict";

// where is the page of ours that somebody wanted to see; never one of another site.
function where() {
  const to = new URLSearchParams(location.search).get("to") ?? "";
  return /^\/[a-z0-9/_-]*$/i.test(to) && !to.startsWith("//") ? to : "/account";
}

// next shows what the login needs next.
async function next(state) {
  switch (state.next) {
    case "in":
      location.replace(where());
      return;
    case "terms":
      at("terms-text").replaceChildren(...state.terms.text.split(/\n\s*\n/).map((text) => {
        const p = document.createElement("p");
        p.textContent = text;
        return p;
      }));
      at("terms-form").dataset.version = state.terms.version;
      break;
    case "enrol-factor": {
      const answer = await enrolment("enrol");
      if (!answer.ok) {
        show("begin");
        tell(at("begin-form"), why(answer));
        return;
      }
      break;
    }
  }
  show(state.next);
}

form("begin-form", ({ login, password }) => ask("POST", "/login", { login, password }), next);
form("change-form", (fields) => same("change-form", fields) && ask("POST", "/login/password", { password: fields.password }), next);
form("factor-form", ({ code }) => ask("POST", "/login/factor", { code: code.replace(/\s/g, "") }), next);
form("enrol-form", ({ code }) => ask("POST", `/me/factors/${at("enrol-form").dataset.factor}/confirm`, { code: code.replace(/\s/g, "") }), next);
form("terms-form", () => ask("POST", "/login/terms", { version: Number(at("terms-form").dataset.version) }), next);

for (const button of document.querySelectorAll("[data-leave]")) {
  button.addEventListener("click", async () => {
    await ask("POST", "/logout");
    location.reload();
  });
}

press("begin-passkey", "begin-form", () => passkey("/login/passkey"), next);
press("factor-passkey", "factor-form", () => passkey("/login/factor/passkey"), next);
press("enrol-passkey", "enrol-form", async () => {
  const made = await gesture("/me/passkeys/options", "create");
  if (!made) return { ok: false, value: { code: "no-gesture" } };
  return made.refused ?? ask("POST", "/me/passkeys", { ...made.proof, name: device() });
}, next);

// What a way back from an identity provider has to tell stands in the fragment.
const back = new URLSearchParams(location.hash.slice(1)).get("problem");
if (back) {
  history.replaceState(null, "", location.pathname + location.search);
  tell(at("begin-form"), why({ value: { code: back }, wait: 0 }));
}

ask("GET", "/login/providers").then(async ({ ok, value }) => {
  if (!ok) return;
  await ways("ways", "begin-form", "/login/providers/", value);
  for (const place of document.querySelectorAll("[data-needs-passkey]")) place.hidden = at("begin-passkey").hidden;
}).catch(() => {});

// Somebody may be half in already, or all the way.
(async () => {
  const answer = await ask("GET", "/login").catch(() => ({ ok: false }));
  if (answer.ok) await next(answer.value);
  else show("begin");
})();
