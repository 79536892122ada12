// What makes people's pages pleasant; each of them works without it. No inline code, no eval, nothing from elsewhere.
(() => {
  "use strict";
  const root = document.documentElement, words = document.body.dataset;

  // Copy: [data-copy="text"], or [data-copy-from="#id"] for what stands elsewhere on the page.
  const copyable = "[data-copy], [data-copy-from]";
  const textOf = (button) => button.dataset.copy ?? document.querySelector(button.dataset.copyFrom).textContent;

  async function copy(button) {
    const text = textOf(button);
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      if (!copyTheOldWay(text)) return;
    }
    const { label = button.textContent, name = button.getAttribute("aria-label") ?? "" } = button.dataset;
    Object.assign(button.dataset, { label, name });
    button.textContent = words.copied;
    button.setAttribute("aria-label", words.copied);
    button.classList.add("done");
    clearTimeout(button.again);
    button.again = setTimeout(() => {
      button.textContent = label;
      name ? button.setAttribute("aria-label", name) : button.removeAttribute("aria-label");
      button.classList.remove("done");
    }, 2000);
    say(words.copied);
  }

  function copyTheOldWay(text) {  // plain HTTP and browsers inside apps have no clipboard
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "sr-only";
    document.body.append(area);
    area.select();
    const copied = document.execCommand("copy");
    area.remove();
    return copied;
  }

  function say(text) {  // to screen readers
    let voice = document.getElementById("voice");
    if (!voice) {
      voice = Object.assign(document.createElement("p"), { id: "voice", className: "sr-only" });
      voice.setAttribute("aria-live", "polite");
      document.body.append(voice);
    }
    voice.textContent = "";
    setTimeout(() => { voice.textContent = text; }, 50);
  }

  // Toasts: good news goes by itself, an error stays until it is closed.
  function arm(toast) {
    if (toast.dataset.armed) return;
    toast.dataset.armed = "yes";
    const leave = () => { toast.classList.add("leaving"); setTimeout(() => toast.remove(), 160); };
    const close = Object.assign(document.createElement("button"), { type: "button", textContent: "×" });
    close.setAttribute("aria-label", words.close);
    close.addEventListener("click", leave);
    toast.append(close);
    if (!toast.matches(".error, .warning")) {
      let timer = setTimeout(leave, 6000);
      toast.addEventListener("pointerenter", () => clearTimeout(timer));
      toast.addEventListener("pointerleave", () => { timer = setTimeout(leave, 3000); });
    }
  }

  function toast(text, kind = "info") {
    const box = document.getElementById("messages");
    if (!box || [...box.children].some((line) => line.firstChild?.textContent === text)) return;
    const line = Object.assign(document.createElement("div"), { className: `toast-line ${kind}` });
    line.append(Object.assign(document.createElement("p"), { textContent: text }));
    box.append(line);
    arm(line);
  }

  // Refreshing: <div data-refresh="15" hx-get="…" hx-trigger="refresh" hx-swap="outerHTML"> asks every 15 s while it
  // can be seen, at once when it is looked at again, and with the last answer's ETag.
  const tags = new Map(), asked = new WeakMap();
  const keyOf = (element) => element.getAttribute("hx-get") ?? element.dataset.hxGet;

  function refresh(element) {
    asked.set(element, Date.now());
    if ((element.getAttribute("hx-trigger") ?? "").includes("refresh")) htmx.trigger(element, "refresh");
    else htmx.ajax("GET", keyOf(element), { source: element, target: element, swap: element.getAttribute("hx-swap") ?? "outerHTML" });
  }

  function look() {
    if (document.hidden || !window.htmx) return;
    for (const element of document.querySelectorAll("[data-refresh]")) {
      const last = asked.get(element);
      if (last === undefined) asked.set(element, Date.now());
      else if (Date.now() - last >= Number(element.dataset.refresh) * 1000 && !busy(element)) refresh(element);
    }
  }

  // Whoever is reading a fold or writing in a field of the part is not interrupted.
  const busy = (element) => element.contains(document.activeElement) && document.activeElement.matches("input, textarea, select, details[open] > summary");

  document.addEventListener("htmx:configRequest", ({ detail }) => {
    const tag = detail.elt.matches("[data-refresh]") && tags.get(keyOf(detail.elt));
    if (tag) detail.headers["If-None-Match"] = tag;
  });
  // A hidden page asks nothing, whatever its templates say.
  document.addEventListener("htmx:beforeRequest", (event) => {
    const polls = /every |refresh/.test(event.detail.elt.getAttribute("hx-trigger") ?? "");
    if (document.hidden && polls) event.preventDefault();
  });
  const before = new Map();
  document.addEventListener("htmx:beforeSwap", ({ detail }) => {
    const source = detail.requestConfig?.elt;
    if (!source?.matches("[data-refresh]")) return;
    const tag = detail.xhr.getResponseHeader("ETag");
    if (tag && detail.xhr.status === 200) tags.set(keyOf(source), tag);
    before.clear();
    for (const marked of document.querySelectorAll("[data-fresh]")) before.set(marked.dataset.fresh, marked.textContent);
  });
  // What changed while one watches is marked for two seconds.
  document.addEventListener("htmx:afterSettle", () => {
    for (const marked of document.querySelectorAll("[data-fresh]")) {
      const old = before.get(marked.dataset.fresh);
      if (old === undefined || old === marked.textContent) continue;
      marked.classList.add("fresh");
      setTimeout(() => marked.classList.remove("fresh"), 2000);
    }
    before.clear();
  });
  for (const [failure, said] of [["htmx:sendError", "unreachable"], ["htmx:timeout", "unreachable"], ["htmx:responseError", "refused"]]) {
    document.addEventListener(failure, ({ detail }) => {
      if (!detail.elt.matches("[data-refresh]")) toast(words[said], "error");
    });
  }

  // The theme: the system's, until one is chosen.
  function showTheme() {
    for (const choice of document.querySelectorAll("[data-theme-choice]")) {
      choice.setAttribute("aria-pressed", String(choice.dataset.themeChoice === (root.dataset.theme ?? "")));
    }
  }

  function chooseTheme(theme) {
    theme ? (root.dataset.theme = theme) : delete root.dataset.theme;
    try {
      theme ? localStorage.setItem("theme", theme) : localStorage.removeItem("theme");
    } catch { /* then it lasts as long as this page */ }
    showTheme();
  }

  // Menus are <details>; with a script they also close by a click elsewhere and by Escape.
  function closeMenus(but) {
    for (const menu of document.querySelectorAll("details.pop[open]")) if (menu !== but) menu.open = false;
  }

  document.addEventListener("click", (event) => {
    const at = event.target instanceof Element ? event.target : root;
    const button = at.closest(copyable), theme = at.closest("[data-theme-choice]");
    if (button) copy(button);
    if (theme) chooseTheme(theme.dataset.themeChoice);
    closeMenus(at.closest("details.pop"));
  });
  document.addEventListener("keydown", (event) => {
    const menu = event.key === "Escape" && document.querySelector("details.pop[open]");
    if (menu) { closeMenus(); menu.querySelector("summary").focus(); }
  });

  // A form is sent once: its button rests until the answer, and [data-confirm] asks before.
  document.addEventListener("submit", (event) => {
    const form = event.target, question = event.submitter?.dataset.confirm ?? form.dataset.confirm;
    if (question && !window.confirm(question)) { event.preventDefault(); event.stopImmediatePropagation(); return; }
    if (form.method !== "post" || form.matches("[hx-post], [data-hx-post]")) return;
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
    setTimeout(() => { delete form.dataset.sent; }, 4000);
  }, true);
  // Filters: <form data-auto-submit> is sent when something in it is chosen.
  document.addEventListener("change", (event) => {
    const form = event.target.closest("form[data-auto-submit]");
    if (form) form.requestSubmit();
  });

  function wake(part) {
    for (const element of part.querySelectorAll(`${copyable}, [data-themes]`)) element.hidden = false;
    for (const element of part.querySelectorAll("[data-toast]")) arm(element);
    showTheme();
  }

  wake(document);
  document.querySelector(".places [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
  document.addEventListener("htmx:load", ({ target }) => wake(target.parentElement ?? document));
  document.addEventListener("visibilitychange", look);
  window.addEventListener("pageshow", (event) => { if (event.persisted) for (const form of document.forms) delete form.dataset.sent; });
  setInterval(look, 1000);
})();
