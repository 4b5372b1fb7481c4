// Keeps pages current. Nothing here makes markup: what is new is fetched as the server renders it.
import "./times.js";
import "./refresh.js";

// On a narrow screen the navigation is wider than the screen.
document.querySelector("nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });

// What was opened is closed by Escape, and the focus goes back to what opened it.
document.addEventListener("keydown", (event) => {
  const details = event.key === "Escape" && document.activeElement?.closest("details[open]");
  if (!details) return;
  details.open = false;
  details.querySelector("summary").focus();
});
