// Keeps pages current. Nothing here makes markup: what is new is fetched as the server renders it.
import "./times.js";
import "./refresh.js";

// On a narrow screen the navigation is wider than the screen.
document.querySelector("nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
