// Shows how work on dead letters goes: the form is sent to the API, which tells it line by line.
const section = document.getElementById("progress");
const bar = document.getElementById("progress-bar");
const told = document.getElementById("progress-told");
const reasons = document.getElementById("progress-reasons");
const title = document.getElementById("progress-title");
const stop = document.getElementById("progress-stop");
const again = document.getElementById("progress-again");

/** How many reasons are shown. */
const REASONS_MAX = 5;

const count = (letters) => (letters === 1 ? "1 letter" : `${letters} letters`);

const done = {
  rehearse: (n) => `${count(n)} can be replayed; nothing is changed`,
  replay: (n) => `${count(n)} replayed`,
  drop: (n) => `${count(n)} dropped`,
};

/** What the form asks for, as the API takes it. */
const order = (form, action) => {
  const fields = new FormData(form);
  const filter = {};
  if (fields.has("group")) filter.group = fields.get("group");
  if (fields.has("id")) filter.ids = [fields.get("id")];
  const work = { action, place: fields.get("place"), filter, limit: Number(fields.get("limit")) };
  if (fields.has("rate")) work.rate = Number(fields.get("rate"));
  if (Object.keys(filter).length === 0) work.all = true;
  return work;
};

/** The lines of an answer, as they come. */
async function* lines(answer) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done: ended } = await reader.read();
    if (ended) return;
    const parts = (rest + value).split("\n");
    rest = parts.pop();
    for (const line of parts) if (line) yield JSON.parse(line);
  }
}

const work = async (form, action, signal) => {
  const asked = order(form, action);
  let changed = 0;
  let seen = 0;
  let onRecord = true;
  const known = new Set();
  const say = (end = "") => {
    const log = onRecord ? "" : " The database is away: who did this is in the log of the console alone.";
    told.textContent = `${done[action](changed)}${end}.${log}`;
    bar.max = Math.max(asked.limit, seen, 1);
    bar.value = seen;
  };
  say();
  const answer = await fetch("/v1/dead-letters/work", {
    method: "POST",
    headers: { "content-type": "application/json", "x-csrf-token": form.elements.csrf.value },
    body: JSON.stringify(asked),
    signal,
  });
  if (!answer.ok) {
    const problem = await answer.json();
    throw new Error(problem.detail);
  }
  for await (const line of lines(answer)) {
    if (line.begun) {
      onRecord = line.begun.on_record;
    } else if (line.letter) {
      seen += 1;
      const why = line.letter.outcome.not_replayable;
      if (why === undefined) {
        changed += 1;
      } else if (!known.has(why) && known.size < REASONS_MAX) {
        known.add(why);
        const reason = document.createElement("li");
        reason.textContent = `Kept: ${why}`;
        reasons.append(reason);
      }
      // Of many a second, not each is read out.
      if (seen % 10 === 0 || seen < 10) say();
    } else if (line.done) {
      const { failed, elsewhere } = line.done;
      const left = [];
      if (failed) left.push(`${count(failed)} cannot be replayed, and stay`);
      if (elsewhere) left.push(`${count(elsewhere)} are in somebody else's hand: do it again in a moment`);
      bar.hidden = true;
      title.textContent = left.length ? "Done, but for some" : "Done";
      say(left.length ? `; ${left.join("; ")}` : "");
      return;
    } else if (line.failed) {
      throw new Error(`${done[action](changed)}. It ended early: ${line.failed.error}`);
    }
  }
  throw new Error(`${done[action](changed)} until then, or one more. The connection ended before the work did`);
};

for (const form of document.querySelectorAll("form[data-work]")) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const action = event.submitter?.value ?? "rehearse";
    const abort = new AbortController();
    stop.onclick = () => abort.abort();
    const buttons = document.querySelectorAll("form[data-work] button");
    for (const button of buttons) button.disabled = true;
    reasons.replaceChildren();
    title.textContent = "Under way";
    bar.hidden = false;
    section.hidden = false;
    stop.hidden = false;
    again.hidden = true;
    try {
      await work(form, action, abort.signal);
    } catch (error) {
      title.textContent = abort.signal.aborted ? "Stopped" : "Not done";
      bar.hidden = true;
      const before = abort.signal.aborted ? `${told.textContent} Stopped: the letter in hand may be done, too` : error.message;
      told.textContent = `${before}. Nothing is lost: do it again for the rest.`;
    }
    for (const button of buttons) button.disabled = false;
    stop.hidden = true;
    const address = new URL(location.href);
    address.searchParams.delete("drop");
    if (address.pathname.endsWith("/work") || form.elements.id) address.pathname = "/dead-letters";
    again.href = address.href;
    again.hidden = false;
    again.focus();
  });
}
