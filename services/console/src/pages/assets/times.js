// Writes times as whoever reads them is used to: in their own time zone and language. The title keeps UTC.

const today = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const before = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

/** Writes the times below an element anew. */
export const write = (root) => {
  const day = new Date().toDateString();
  for (const time of root.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    time.textContent = (at.toDateString() === day ? today : before).format(at);
  }
};

write(document);

// What was of today is of yesterday after midnight.
let written = new Date().toDateString();
setInterval(() => {
  const day = new Date().toDateString();
  if (day !== written) write(document);
  written = day;
}, 60000);
