// Keeps the customer's page true: asks whether the payment's state has changed, and draws the page anew when it has.
const page = document.querySelector("main");
const { state, status: address } = page.dataset;
const MOMENTS = [300, 700, 1000, 2000, 3000, 5000, 8000, 13000]; // milliseconds since the page opened
const THEN_EVERY = 15000, PATIENCE = 120000, started = Date.now();
let tag = "", turn = 0, timer = 0;
async function ask() {
  const limit = new AbortController(), hurry = setTimeout(() => limit.abort(), 10000);
  try {
    const headers = tag ? { "If-None-Match": tag } : {};
    const answer = await fetch(address, { headers, cache: "no-store", credentials: "omit", signal: limit.signal });
    if (answer.status === 200) {
      tag = answer.headers.get("ETag");
      if ((await answer.json()).state !== state) {
        history.replaceState("changed", "");
        return location.reload();
      }
    }
  } catch { /* No network just now: the next turn comes. */ } finally { clearTimeout(hurry); }
  plan();
}
function plan() {
  clearTimeout(timer);
  if (state !== "confirming" || document.hidden) return;
  const waited = Date.now() - started, momentOf = (n) => MOMENTS[n] || MOMENTS[7] + (n - 7) * THEN_EVERY;
  while (momentOf(turn) <= waited) turn += 1;
  const next = momentOf(turn);
  timer = next < PATIENCE ? setTimeout(ask, next - waited) : setTimeout(stopAsking, PATIENCE - waited);
}
function stopAsking() {
  page.querySelector("[data-while-asking]").hidden = true;
  page.querySelector("[data-when-stopped]").hidden = false;
  page.classList.add("stopped");
}
const leaving = page.querySelector("[data-leaves]");
if (leaving && history.state === "left") leaving.hidden = true; // Whoever comes back wants to read.
else if (leaving) setTimeout(leave, leaving.dataset.after * 1000);
function leave() {
  if (document.hidden) return document.addEventListener("visibilitychange", leave, { once: true });
  history.replaceState("left", "");
  location.assign(leaving.dataset.leaves);
}
if (history.state === "changed") { // Just drawn anew: mark the change, and let screen readers read it out.
  history.replaceState(null, "");
  page.classList.add("fresh");
  page.querySelector("h1").focus({ preventScroll: true });
}
if (address) {
  document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : ask()));
  plan();
}

async function copy(button) {
  const word = button.querySelector("[data-word]"), said = document.getElementById("said");
  const { copies, done } = button.dataset, before = word.textContent;
  if (before === done || !(await write(document.getElementById(copies)))) return;
  word.textContent = said.textContent = done;
  setTimeout(() => { word.textContent = before; said.textContent = ""; }, 2000);
}
async function write(source) { // In-app browsers may have no clipboard: then the text stays selected for a long press.
  try { await navigator.clipboard.writeText(source.dataset.plain); return true; }
  catch { getSelection().selectAllChildren(source); return document.execCommand("copy"); }
}
for (const button of document.querySelectorAll("[data-copies]")) {
  button.hidden = false;
  button.addEventListener("click", () => copy(button));
}
