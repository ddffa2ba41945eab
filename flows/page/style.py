"""How the page looks: colours and style sheets, light and dark, on a desk, a phone and paper."""

COLOURS = {"primary": "#1f5f99", "positive": "#14683a", "negative": "#a3201c"}

STYLE = """
:root { --ok: #14683a; --ok-bg: #dff3e6; --bad: #a3201c; --bad-bg: #fde4e2; --old: #7a4a00; --old-bg: #fcefd2;
  --busy: #17528a; --busy-bg: #dcebfa; --none: #55606b; --none-bg: transparent; --line: #d5dbe1; --soft: #55606b;
  --strong: #1f5f99; --on-strong: #fff; }
.body--light { background: #f6f7f9; color: #1b2229; }
.body--dark { color-scheme: dark; background: #12161b; color: #e6eaee; --q-primary: #8cc2f2 !important;
  --q-dark: #1a2027; --q-dark-page: #12161b; --ok: #8fdcae; --ok-bg: #15372a; --bad: #ffb3ae; --bad-bg: #46201f;
  --old: #f3cd8a; --old-bg: #40331a; --busy: #a5d0f7; --busy-bg: #1b3550; --none: #a4afba; --line: #36414c;
  --soft: #a9b4bf; --strong: #8cc2f2; --on-strong: #0e1c29; }
.q-btn.strong { background: var(--strong); color: var(--on-strong); }
.q-loading-bar { display: none; }
.nicegui-content { padding: 0 !important; gap: 0; }
.nicegui-link { color: var(--busy); }
.top { border-bottom: 1px solid var(--line); width: 100%; }
.top.q-header { padding: 0; color: inherit; background: #fff; } .body--dark .top.q-header { background: #1a2027; }
body #esm-fallback { animation-delay: 15s; } /* NiceGUI doubts the browser after a second; networks may be slow */
.loading { position: fixed; inset: 0 0 auto; } .loading:has(~ #app:not(:empty)) { display: none; }
.top-in, .content { max-width: 1080px; margin: 0 auto; width: 100%; padding: 12px 16px; box-sizing: border-box; }
.top-in { display: flex; flex-wrap: wrap; align-items: center; gap: 4px 16px; }
.top h1 { font-size: 1.05rem; font-weight: 600; margin: 0 8px 0 0; line-height: 1.4; }
.top nav { display: flex; flex-wrap: wrap; gap: 2px; flex: 1 1 auto; }
.top nav a, .top .quiet { padding: 8px 10px; border-radius: 8px; color: inherit; text-decoration: none;
  font-size: .95rem; }
.top nav a:hover { text-decoration: underline; }
.top nav a[aria-current] { color: var(--busy); background: var(--busy-bg); font-weight: 600; }
.body--dark .to-dark, .body--light .to-light { display: none; }
.top a.quiet, .top .quiet.q-btn { color: var(--soft) !important; }
.content { padding-top: 20px; padding-bottom: 48px; display: flex; flex-direction: column; gap: 16px; }
.content:focus { outline: none; }
h2 { font-size: 1.35rem; font-weight: 600; margin: 0; line-height: 1.3; }
h3 { font-size: 1.05rem; font-weight: 600; margin: 0; line-height: 1.3; }
.panel { border: 1px solid var(--line); border-radius: 12px; padding: 16px; width: 100%; box-sizing: border-box;
  display: flex; flex-direction: column; gap: 12px; box-shadow: none; }
.body--light .panel { background: #fff; } .body--dark .panel { background: #1a2027; }
.panel p { margin: 0; } .panel ul:not([class]) { margin: 0; padding-left: 20px; }
.in-dialog { display: flex; flex-direction: column; gap: 12px; width: 100%; }
dialog.panel { width: fit-content; min-width: min(360px, 100%); margin: auto; color: inherit; }
dialog:not([open]).panel { display: none; } dialog::backdrop { background: rgb(0 0 0 / .5); }
h2::first-letter, .detail::first-letter { text-transform: uppercase; } .listing td { white-space: normal; }
.soft { color: var(--soft); } .small { font-size: .875rem; }
.fields { display: flex; flex-wrap: wrap; gap: 12px; align-items: flex-start; width: 100%; }
.fields > * { flex: 1 1 160px; min-width: 0; } .fields > .narrow { flex: 0 0 auto; }
.actions { display: flex; flex-wrap: wrap; gap: 8px; align-items: center; }
.rows { list-style: none; margin: 0; padding: 0; width: 100%; }
.rows > li { border-top: 1px solid var(--line); } .rows > li:first-child { border-top: 0; }
.rows .row-in { display: flex; flex-wrap: wrap; gap: 2px 12px; align-items: baseline; padding: 10px 4px; width: 100%;
  text-align: left; }
.row-in.q-btn { text-transform: none; font-weight: 400; line-height: 1.45; letter-spacing: 0; border-radius: 8px; }
.row-in.q-btn .q-btn__content { justify-content: flex-start; gap: 2px 12px; flex-wrap: wrap; text-align: left; }
.row-in .what { font-weight: 600; }
.months .what { flex: 0 0 150px; } .months .mark { flex: 0 0 auto; }
.row-in .detail { flex: 1 1 100%; color: var(--soft); overflow-wrap: anywhere; }
.breaking { overflow-wrap: anywhere; }
.mark { display: inline-block; border-radius: 99px; padding: 1px 10px; font-size: .82rem; font-weight: 600;
  color: var(--none); border: 1px solid var(--line); white-space: nowrap; }
.is-completed, .is-resolved, .is-closed { color: var(--ok) !important; background: var(--ok-bg) !important;
  border-color: transparent; }
.is-failed { color: var(--bad) !important; background: var(--bad-bg) !important; border-color: transparent; }
.is-stale { color: var(--old) !important; background: var(--old-bg) !important; border-color: transparent; }
.is-running { color: var(--busy) !important; background: var(--busy-bg) !important; border-color: transparent; }
.is-missing { color: var(--none) !important; }
.grid-row { display: grid; grid-template-columns: 220px 1fr; gap: 6px 16px; align-items: center; width: 100%; }
.cells { display: grid; grid-template-columns: repeat(12, minmax(0, 1fr)); gap: 6px; }
.content a.cell { padding: 4px 0; min-height: 46px; border: 1px solid var(--line); border-radius: 8px; display: flex;
  flex-direction: column; align-items: center; justify-content: center; line-height: 1.25; text-decoration: none; }
.cell.once { grid-column: 1 / -1; }
.cell .sign { font-size: 1.05rem; font-weight: 700; }
.cell .when { font-size: .74rem; font-weight: 400; }
.legend { display: flex; flex-wrap: wrap; gap: 8px; list-style: none; margin: 0; padding: 0; }
.scroll { overflow-x: auto; width: 100%; }
.figures { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: .92rem; }
.figures caption { text-align: left; font-weight: 600; padding-bottom: 6px; }
.figures th, .figures td { padding: 6px 10px; text-align: right;
  white-space: nowrap; border-top: 1px solid var(--line); }
.figures thead th:first-child { text-align: left; }
.figures thead th { border-top: 0; color: var(--soft); font-weight: 600; }
.figures th[scope=row], .figures th.text { text-align: left; } .figures th[scope=row] { font-weight: 400; }
.figures tfoot th, .figures tfoot td { font-weight: 600; }
.figures td.text { text-align: left; white-space: normal; min-width: 180px; } .figures .note { margin-left: 8px; }
.figures tr.chosen > * { background: var(--busy-bg); } .figures tfoot th { text-align: left; }
.sandbox { background: #7a4a00; color: #fff; border-radius: 6px; padding: 2px 8px;
  font-size: .8rem; letter-spacing: .06em; }
.content a { color: var(--busy); } .big { font-size: 1.6rem; font-weight: 600; font-variant-numeric: tabular-nums; }
h4 { font-size: .95rem; font-weight: 600; margin: 4px 0 0; line-height: 1.3; } .sums { margin: 0; padding-left: 24px; }
.pad { padding: 6px 10px; border-radius: 8px; }
.chips { display: flex; flex-wrap: wrap; gap: 6px; } .chip { border: 1px solid var(--line); border-radius: 99px;
  padding: 4px 12px; text-decoration: none; } .chip[aria-current] { background: var(--busy-bg); font-weight: 600; }
.listing { max-height: 70vh; background: transparent; } .listing thead tr { position: sticky; top: 0; z-index: 1; }
.body--light .listing thead tr { background: #fff; } .body--dark .listing thead tr { background: #1a2027; }
.listing.waiting { visibility: hidden; } .listing th button { all: unset; cursor: pointer; }
.listing-box { display: flex; flex-direction: column; gap: 8px; width: 100%; }
.listing-box .q-field { flex: 0 1 320px; }
.listing tr.total td { font-weight: 600; } .listing .q-checkbox { padding: 8px 0; }
.listing td.text-right { font-variant-numeric: tabular-nums; }
.listing :is(td.text-right, td.day) { white-space: nowrap; }
.two { display: grid; grid-template-columns: 1fr 1fr; gap: 16px; width: 100%; } .self-start { align-self: flex-start; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr));
  gap: 8px 16px; margin: 0; width: 100%; }
.tiles dt { color: var(--soft); font-size: .875rem; } .tiles dd { margin: 0; font-variant-numeric: tabular-nums; }
.tiles .big { font-size: 1.35rem; } .tiles a { text-decoration: none; } .tiles a:hover { text-decoration: underline; }
.content a.button { border: 1px solid var(--strong); color: var(--strong); border-radius: 6px; padding: 5px 12px;
  text-decoration: none; font-weight: 500; white-space: nowrap; }
.trouble { display: flex; flex-wrap: wrap; gap: 4px 12px; align-items: center; } .content > p { margin: 0; }
summary { cursor: pointer; padding: 6px 0; list-style: none; } summary::before { content: "▸ "; }
details[open] > summary::before { content: "▾ "; }
.trouble .what, .trouble h3 { flex: 0 1 auto; } .trouble .button { margin-left: auto; }
.money { font-variant-numeric: tabular-nums; white-space: nowrap; }
.sticky { position: sticky; top: 0; z-index: 2; padding: 8px 0; }
.body--light .sticky { background: #fff; } .body--dark .sticky { background: #1a2027; }
.figures .apart { border-left: 2px solid var(--line); color: var(--soft); }
.payload { white-space: pre-wrap; overflow-wrap: anywhere; font-size: .82rem; margin: 0; }
.facts { display: grid; grid-template-columns: auto 1fr; gap: 4px 16px; margin: 0; }
.facts dt { color: var(--soft); } .facts dd { margin: 0; overflow-wrap: anywhere; }
.q-notification__actions { color: inherit; }
.wide { width: 640px; max-width: 100%; z-index: 1; }
@layer theme { /* an earlier layer's `!important` is stronger than Quasar's, which leaves buttons without an outline */
  :focus-visible:not([tabindex="-1"], .q-field__native, .q-field__input, .q-field__focus-target) {
    outline: 3px solid var(--busy) !important; outline-offset: 2px !important; }
}
@media (max-width: 700px) {
  .grid-row { grid-template-columns: 1fr; } .cells { grid-template-columns: repeat(6, minmax(0, 1fr)); }
  .top-in nav { order: 3; flex: 1 1 100%; gap: 0; margin: 0 -8px; justify-content: space-between; }
  .top nav a { padding: 8px 3px; font-size: .82rem; }
  .top h1 { flex: 1 1 auto; font-size: .95rem; margin: 0; } .top-in { gap: 4px; padding-bottom: 6px; }
  .top .quiet { padding: 8px 4px; font-size: .82rem; min-width: 0; } .sandbox { font-size: .68rem; padding: 2px 5px; }
  .panel { padding: 12px; } .content { padding-left: 12px; padding-right: 12px; }
}
@media (max-width: 700px) { .listing .desk, .figures .desk { display: none; } .two { grid-template-columns: 1fr; }
  .trouble .button { margin-left: 0; } .figures { font-size: .82rem; } .fields > * { flex-basis: 130px; }
  .figures th, .figures td { padding: 6px 4px; } .figures td.text { min-width: 90px; }
  .q-field--with-bottom { padding-bottom: 44px; } }
@media print { .top, .no-print { display: none !important; }
  .body--light, .body--dark { background: #fff; color: #000; }
  .panel { border: 0; padding: 8px 0; break-inside: avoid-page; } .content { max-width: none; padding: 0; }
  .scroll { overflow: visible; } a { color: inherit !important; text-decoration: none; } }
@media (prefers-reduced-motion: reduce) { * { transition: none !important; animation: none !important; } }
"""

LOGIN_STYLE = """
:root { color-scheme: light dark; } * { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; font: 16px/1.5 system-ui, sans-serif;
  background: light-dark(#f6f7f9, #12161b); color: light-dark(#1b2229, #e6eaee); }
main { width: min(360px, 100% - 32px); padding: 24px; border-radius: 12px;
  border: 1px solid light-dark(#d5dbe1, #36414c); background: light-dark(#fff, #1a2027); }
h1 { font-size: 1.25rem; margin: 0 0 16px; } label { font-weight: 600; }
input, button { font: inherit; width: 100%; padding: 10px 12px; border-radius: 8px; margin-top: 6px; }
input { border: 1px solid light-dark(#737e89, #8a95a0); background: transparent; color: inherit; }
button { border: 0; font-weight: 600; background: light-dark(#1f5f99, #8cc2f2); color: light-dark(#fff, #0e1c29); }
#hint { margin: 6px 0 12px; font-size: .875rem; color: light-dark(#55606b, #a9b4bf); }
[role=alert] { margin: 0 0 12px; color: light-dark(#a3201c, #ffb3ae); font-weight: 600; }
:focus-visible { outline: 3px solid light-dark(#17528a, #a5d0f7); outline-offset: 2px; }
"""
