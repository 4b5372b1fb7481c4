// Keeps pages current. Nothing here makes markup: what is new is fetched as the server renders it.
import "./times.js";
import "./refresh.js";
