// Before the first paint: the theme that was chosen, and that scripts run. Without it the system's theme is drawn.
(() => {
  const root = document.documentElement;
  root.classList.add("scripted");
  try {
    const chosen = localStorage.getItem("theme");
    if (chosen === "paper" || chosen === "night") root.dataset.theme = chosen;
  } catch { /* a browser without storage follows the system */ }
})();
