// Keeps the list of a page live: appends what its stream brings. Texts are set as text, never as markup.
"use strict";

(() => {
  const list = document.getElementById("live");
  if (!list) return;
  const state = document.getElementById("state");
  const empty = document.getElementById("empty");
  const { kind, stream } = list.dataset;
  const most = Number(list.dataset.max);

  const element = (name, className, text) => {
    const made = document.createElement(name);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const link = (href, text) => {
    const made = element("a", "", text);
    made.href = href;
    return made;
  };
  const time = (at, digits) => {
    const made = element("time", "", at.replace(/(?:\.(\d+))?Z$/, (_, f = "") => (digits ? `.${f.padEnd(digits, "0").slice(0, digits)}Z` : "Z")));
    made.dateTime = at;
    return made;
  };
  const sessionLink = (id, text) => link(`/debugger/page?session=${encodeURIComponent(id)}`, text);

  const makers = {
    line({ line, session_id, at, text }) {
      const row = element("tr");
      row.id = `line-${line}`;
      const session = element("td");
      session.append(link(`#${row.id}`, String(line).padStart(5, "0")), " ", session_id ? sessionLink(session_id, session_id) : "-");
      const when = element("td");
      when.append(time(at, 3));
      row.append(session, when, element("td", "", text.replaceAll("\r", "\\r").replaceAll("\n", "\\n")));
      return row;
    },
    message({ index, direction, from, to, text, subject, media, network, encoding, parts, session_id, at }) {
      const item = element("li", direction);
      item.id = `message-${index}`;
      const [who, party] = direction === "sent" ? ["to", to] : ["from", from];
      const about = element("p", "about", `${who} `);
      about.append(link(`/phones/${encodeURIComponent(party)}`, party), " ", time(at, 0), ` ${network}`);
      if (encoding) about.append(`, ${encoding}, ${parts} part${parts === 1 ? "" : "s"}`);
      if (session_id) about.append(" ", sessionLink(session_id, "session"));
      item.append(about);
      if (subject) item.append(element("p", "subject", subject));
      item.append(element("p", "text", text));
      for (const file of media ?? []) item.append(element("p", "media", file));
      return item;
    },
  };

  const isAtEnd = () => {
    const page = document.documentElement;
    return page.scrollHeight - page.scrollTop - page.clientHeight < 100;
  };
  const end = () => (document.querySelector("form.write") ?? list).scrollIntoView({ block: "end" });

  // Ids are RUN-INDEX. Another run of the simulator begins its numbers anew, and says all that it remembers: what is
  // shown is of an earlier one then.
  const runOf = (id) => id.split("-")[0];
  let { last } = list.dataset;
  const reached = (id) => {
    if (runOf(id) !== runOf(last)) {
      list.replaceChildren();
      empty.hidden = false;
    }
    last = id;
  };

  // The browser comes again by itself, and says which id it had last.
  let source;
  const listen = () => {
    const url = new URL(stream, location);
    url.searchParams.set("last_event_id", last);
    source = new EventSource(url);
    source.addEventListener("open", () => { state.textContent = "Live."; });
    source.addEventListener("error", () => {
      // A browser gives up where the answer is no stream, as of a proxy whose simulator is away.
      const isOver = source.readyState === EventSource.CLOSED;
      state.textContent = isOver ? "The stream is over: load the page anew." : "The stream was cut off; trying again.";
    });
    source.addEventListener("run", (event) => reached(event.lastEventId));
    source.addEventListener(kind, (event) => {
      reached(event.lastEventId);
      const follows = isAtEnd();
      const made = makers[kind](JSON.parse(event.data));
      if (document.getElementById(made.id)) return;
      list.append(made);
      while (most < list.children.length) list.firstElementChild.remove();
      empty.hidden = true;
      if (follows) end();
    });
  };

  // A stream is a connection, and browsers have six for all pages of a host: a page that nobody sees has none.
  const follow = () => {
    source?.close();
    if (document.hidden) state.textContent = "Waits until it is seen.";
    else listen();
  };
  document.addEventListener("visibilitychange", follow);
  follow();
  if (!location.hash && list.children.length) end();

  const form = document.querySelector("form.write");
  if (!form) return;
  const { text, network } = form.elements;

  // A text says something; an MMS may be its files alone.
  const judge = () => {
    const isBlank = network.value !== "MMS" && !text.value.trim();
    text.setCustomValidity(isBlank ? "Write a text first." : "");
  };
  form.addEventListener("input", judge);
  judge();

  // Each text is sent once: the form waits for the answer, which is a page.
  let isSent = false;
  form.addEventListener("submit", (event) => {
    if (isSent) event.preventDefault();
    isSent = true;
    form.querySelector("button").disabled = true;
  });
  window.addEventListener("pageshow", () => {
    isSent = false;
    form.querySelector("button").disabled = false;
  });

  // Enter sends, as on a phone; with Shift it begins a line. Held down, it sends once.
  text.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      if (!event.repeat) form.requestSubmit();
    }
  });
})();
