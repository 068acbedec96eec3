"use strict";

// The secret is behind the #, which a browser sends to nobody. It leaves the address
// at once, so that it is neither in the history nor in a bookmark.
const secret = location.hash.slice(1);
history.replaceState(null, "", location.pathname);

// meaning is the section that says what a status means; none: the form does.
const meaning = { 410: "used", 429: "throttled", 422: "" };

form("begin-form", async (fields) => {
  if (!same("begin-form", fields)) return null;
  const user = { login: fields.login, name: fields.name, password: fields.password };
  if (fields.email) user.email = fields.email;
  const answer = await ask("POST", "/setup", { secret, user }).catch(() => ({ ok: false, status: 0, value: {} }));
  const section = meaning[answer.status] ?? "failed";
  if (answer.ok || section === "") return answer;
  show(section);
  return null;
}, () => {
  show("done");
  at("enter").focus();
});

at("retry").addEventListener("click", () => show("begin"));
if (secret === "") show("noSecret");
else at("name").focus();
// Whoever opens another link in the same window opens another page.
addEventListener("hashchange", () => location.reload());
