"""What a browser does by itself on every view: keys, and the address that names what is open and chosen."""

SCRIPT = """
function remember(asked) {
  const url = new URL(location);
  for (const [name, value] of Object.entries(asked))
    value ? url.searchParams.set(name, value) : url.searchParams.delete(name);
  history.replaceState(history.state, "", url);
}
let left = 0;
addEventListener("beforeunload", () => { left = Date.now(); });
function showChanges() {  // a reload would call back who is on the way to another page, and lose what is typed
  if (Date.now() - left > 10000 && !document.querySelector(".q-dialog")) location.reload();
}
addEventListener("click", event => {
  const link = event.target.closest("a[data-keeps]");
  if (!link) return;
  const url = new URL(link.href), back = url.searchParams.get("back");
  if (back) url.searchParams.set("back", back.split("?")[0] + location.search); else url.search = location.search;
  link.href = url;
}, true);
addEventListener("DOMContentLoaded", () => {
  const watch = setInterval(() => {  // a server that was started again knows no session of before: the login leads back
    if (!window.socket) return;
    clearInterval(watch);
    socket.on("connect_error", () => fetch(location).then(answer => answer.redirected && location.reload(), () => {}));
  }, 500);
});
const MOVES = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};
let column = 0;
addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const cell = event.target.closest(".cells a"), move = MOVES[event.key];
  if (cell && move) {
    const rows = [...document.querySelectorAll(".cells")].map(row => [...row.children]);
    const at = rows.findIndex(row => row.includes(cell)), row = rows[at + move[1]] ?? rows[at];
    if (rows[at].length > 1) column = rows[at].indexOf(cell);
    if (row.length > 1) column = Math.max(0, Math.min(row.length - 1, column + move[0]));
    row[Math.min(column, row.length - 1)].focus();
    event.preventDefault();
  } else if (!event.target.closest("input, textarea, select") && !document.querySelector(".q-dialog, dialog[open]")) {
    if (event.key === "?") document.getElementById("keys").showModal();
    if (event.key !== "/") return;
    const search = document.querySelector("[type=search]");
    search ? search.focus() : location.assign(document.getElementById("keys").dataset.search);
    event.preventDefault();
  }
});
"""
