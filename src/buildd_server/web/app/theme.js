// Light or dark as its reader chose, before anything is painted; loaded by itself, and first.

const chosen = localStorage.getItem("theme");
if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
