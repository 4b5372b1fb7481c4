// Chooses the colours before the page is painted: as the system has them, or as was chosen here.
"use strict";

(() => {
  const link = document.getElementById("dark");
  const system = link.media;
  const media = { light: "not all", dark: "all" };

  const chosen = () => {
    try {
      return localStorage.getItem("theme");
    } catch {
      return null;
    }
  };
  const apply = (theme) => {
    link.media = media[theme] ?? system;
  };
  apply(chosen());

  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    const after = { light: "dark", dark: "system" };
    const words = { light: "Colours: light", dark: "Colours: dark" };
    const show = (theme) => {
      button.textContent = words[theme] ?? "Colours: as the system has them";
    };
    show(chosen());
    button.hidden = false;
    button.addEventListener("click", () => {
      const theme = after[chosen()] ?? "light";
      try {
        if (theme === "system") localStorage.removeItem("theme");
        else localStorage.setItem("theme", theme);
      } catch {
        // Without storage it holds for this page.
      }
      apply(theme);
      show(theme);
    });
  });
})();
