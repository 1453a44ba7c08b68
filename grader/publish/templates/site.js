"use strict";
(() => {
  const root = document.documentElement;
  root.classList.add("js");
  const stored = (key, value) => {
    try {
      if (value === undefined) return localStorage.getItem(key);
      localStorage.setItem(key, value);
    } catch { /* pages opened from a file may have no storage */ }
    return null;
  };
  const theme = stored("theme");
  if (theme === "dark" || theme === "light") root.dataset.theme = theme;

  document.addEventListener("DOMContentLoaded", () => {
    const dark = () => root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    const toggle = document.getElementById("theme");
    const label = () => { toggle.textContent = dark() ? "Use light colors" : "Use dark colors"; }; // what a press does
    toggle.addEventListener("click", () => {
      root.dataset.theme = dark() ? "light" : "dark";
      stored("theme", root.dataset.theme);
      label();
    });
    label();
    const table = document.getElementById("board");
    if (table) board(table);
    const list = document.getElementById("names");
    if (list) names([...list.children]);
  });

  const plain = (text) => text.normalize("NFC").toLowerCase();
  // Which of the texts have every word that is searched for.
  const searched = (search) => {
    const words = plain(search.value).split(/[\s,;]+/).filter(Boolean);
    return (text) => words.every((word) => text.includes(word));
  };

  function names(items) {
    const search = document.getElementById("search");
    const count = document.getElementById("count");
    const texts = items.map((item) => plain(item.textContent));
    const filter = () => {
      const fits = searched(search);
      let shown = 0;
      items.forEach((item, i) => { item.hidden = !fits(texts[i]); shown += !item.hidden; });
      count.textContent = shown === 0 ? "No name fits" : shown === 1 ? "1 name" : `${shown} names`;
    };
    search.addEventListener("input", filter);
    filter();
  }

  function board(table) {
    const body = table.tBodies[0];
    const rows = [...body.rows];
    const heads = [...table.tHead.rows[0].cells];
    const text = new Map(rows.map((row) => [row, plain(row.cells[1].textContent)]));
    const search = document.getElementById("search");
    const verdict = document.getElementById("verdict");
    const others = document.getElementById("others");
    const count = document.getElementById("count");
    let column = -1, down = false;

    const value = (row) => {
      const found = row.cells[column].dataset.v;
      return found === undefined || found === "" ? null : Number.isNaN(Number(found)) ? found : Number(found);
    };
    const compare = (a, b) => {
      const x = value(a), y = value(b);
      if (x === null || y === null) return (x === null) - (y === null); // what has no value stays last
      const order = typeof x === "string" || typeof y === "string" ? String(x).localeCompare(String(y)) : x - y;
      return down ? -order : order;
    };
    const sort = () => {
      const ordered = column < 0 ? rows : [...rows].sort(compare);
      body.append(...ordered);
      heads.forEach((head, i) => {
        if (head.querySelector("button")) head.setAttribute("aria-sort", i !== column ? "none" : down ? "descending" : "ascending");
      });
    };
    const filter = () => {
      const found = searched(search);
      let shown = 0;
      for (const row of rows) {
        const fits = found(text.get(row))
          && (!verdict.value || row.dataset.verdict === verdict.value)
          && (others.checked || !row.classList.contains("other") || row.classList.contains("yardstick"));
        row.hidden = !fits;
        shown += fits;
      }
      count.textContent = shown === 0 ? "No row fits: clear the search or choose another verdict" : shown === 1 ? "1 row" : `${shown} rows`;
    };
    const remember = () => {
      const state = new URLSearchParams();
      if (search.value) state.set("q", search.value);
      if (verdict.value) state.set("verdict", verdict.value);
      if (others.checked !== others.defaultChecked) state.set("references", others.checked ? "1" : "0");
      if (column >= 0) state.set("sort", `${column}${down ? "d" : ""}`);
      try { history.replaceState(null, "", "#" + state); } catch { /* some browsers refuse this for files */ }
    };
    const recall = () => {
      const state = new URLSearchParams(location.hash.slice(1));
      search.value = state.get("q") || "";
      verdict.value = state.get("verdict") || "";
      if (verdict.selectedIndex < 0) verdict.value = "";
      others.checked = state.has("references") ? state.get("references") !== "0" : others.defaultChecked;
      const found = /^(\d+)(d?)$/.exec(state.get("sort") || "");
      if (found && heads[found[1]]?.querySelector("button")) { column = Number(found[1]); down = found[2] === "d"; }
    };

    heads.forEach((head, i) => head.querySelector("button")?.addEventListener("click", () => {
      const firstDown = head.dataset.first === "down";
      if (column !== i) { column = i; down = firstDown; }
      else if (down === firstDown) down = !down;
      else column = -1; // the third press: back to the ranking
      sort();
      remember();
    }));
    for (const control of [search, verdict, others]) control.addEventListener("input", () => { filter(); remember(); });
    document.addEventListener("keydown", (event) => {
      if (event.key === "/" && !/^(input|select|textarea)$/i.test(event.target.tagName)) { event.preventDefault(); search.focus(); }
    });
    recall();
    if (column >= 0) sort();
    filter();

    const live = document.getElementById("live");
    if (live) {
      const pause = document.getElementById("pause");
      let timer = 0;
      const wait = () => { timer = setTimeout(() => location.reload(), 1000 * Number(live.dataset.seconds)); };
      const paused = () => pause.getAttribute("aria-pressed") === "true";
      const set = (off) => {
        pause.setAttribute("aria-pressed", String(off));
        pause.textContent = off ? "Update again" : "Stop updating";
        clearTimeout(timer);
        if (!off) wait();
        stored("paused", off ? "1" : "");
      };
      pause.addEventListener("click", () => set(!paused()));
      set(stored("paused") === "1");
    }
  }
})();
