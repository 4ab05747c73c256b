// What the pages do beside being pages: times in the reader's zone, keys, ticking, and news of what changes. Without it everything works.
"use strict";
(() => {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
  const format = new Intl.DateTimeFormat(undefined, { year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", timeZoneName: "short" });
  const localise = (root) => {
    for (const time of root.querySelectorAll("time[datetime*='T']")) {
      const at = new Date(time.dateTime);
      if (!Number.isNaN(at.getTime())) { time.title = time.dateTime + " (shown in " + zone + ")"; time.textContent = format.format(at); }
    }
  };
  localise(document);

  // Ticking all that is shown, and how many are ticked.
  const counted = () => {
    for (const place of document.querySelectorAll("[data-ticked]")) {
      place.textContent = document.querySelectorAll("input[name=target]:checked").length + " ticked";
    }
  };
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-all]")) {
      for (const box of document.querySelectorAll("input[name=target]")) { box.checked = event.target.checked; }
    }
    counted();
  });
  counted();

  // Keys: / searches, j and k move through a list, Enter opens, g and a letter goes to a screen, ? says all of them.
  let before = "", row = -1;
  const rows = () => [...document.querySelectorAll("main tbody tr")];
  const move = (by) => {
    const all = rows();
    if (all.length === 0) { return; }
    row = Math.min(all.length - 1, Math.max(0, row + by));
    all.forEach((one, n) => one.classList.toggle("chosen", n === row));
    all[row].scrollIntoView({ block: "nearest" });
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select")) { return; }
    const key = event.key;
    if (before === "g") {
      const to = document.querySelector(`.side a[data-key="${CSS.escape(key)}"]`);
      before = "";
      if (to) { to.click(); }
      return;
    }
    if (key === "/") {
      const search = document.querySelector("input[type=search]");
      if (search) { event.preventDefault(); search.focus(); search.select(); } else { location.assign("/people"); }
    } else if (key === "j") { move(1); } else if (key === "k") { move(-1); } else if (key === "Enter" && row >= 0) {
      const link = rows()[row].querySelector("a");
      if (link && !event.target.closest("a, button")) { link.click(); }
    } else if (key === "?") { location.assign("/help"); }
    before = key === "g" ? "g" : "";
  });

  // News: the page is fetched again when something has changed, unless somebody is in the middle of deciding.
  const main = document.querySelector("main[data-live]");
  if (main && window.EventSource) {
    const busy = () => document.activeElement && document.activeElement.closest("main form") || document.querySelector("main input[name=target]:checked");
    let waits = false;
    const renew = async () => {
      if (waits || busy() || document.hidden) { return; }
      waits = true;
      try {
        const answer = await fetch(location.href, { headers: { "X-Fragment": "1" }, redirect: "manual" });
        if (answer.status === 200) {
          const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
          const place = fresh.querySelector("main"), side = fresh.querySelector(".side nav");
          if (place && !busy()) {
            main.replaceChildren(...place.childNodes);
            document.querySelector(".side nav").replaceChildren(...side.childNodes);
            localise(main);
          }
        } else if (answer.type === "opaqueredirect") { location.reload(); }
      } finally { waits = false; }
    };
    new EventSource("/events").addEventListener("changed", renew);
  }
  // What is being made is looked at again.
  if (document.querySelector("[data-again]")) { setTimeout(() => location.reload(), 1000); }
})();
