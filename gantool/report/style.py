"""The look of a report: one column on a phone, several where there is room, dark where the reader is."""

CSS = """
:root { color-scheme: light dark;
  --paper: #ffffff; --sheet: #f6f8fa; --ink: #1f2328; --quiet: #57606a; --line: #d9dee3; --link: #0063a6;
  --alarm: #b3261e; --alarm-paper: #fdecea; --warning: #8a5300; --warning-paper: #fff6e0; --mark: #fff1b8; }
@media (prefers-color-scheme: dark) { :root {
  --paper: #14181d; --sheet: #1c2229; --ink: #e6e9ec; --quiet: #a7b0b9; --line: #333b44; --link: #6cb6ff;
  --alarm: #ff8a80; --alarm-paper: #3a1b1a; --warning: #ffc766; --warning-paper: #33280f; --mark: #4d4012; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); line-height: 1.5;
  font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "DejaVu Sans", sans-serif; }
header, main, footer { max-width: 112rem; margin: 0 auto; padding: 0 1rem; overflow-wrap: anywhere; }
header { padding-top: 1.5rem; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 .25rem; }
h2 { font-size: 1.25rem; line-height: 1.3; margin: 2rem 0 .5rem; }
h3 { font-size: 1.05rem; margin: 1.75rem 0 .5rem; }
h4 { font-size: .95rem; margin: 0; }
p { margin: .4rem 0; }
.quiet, figcaption p, .caption { color: var(--quiet); font-size: .875rem; }
.runs { display: grid; gap: 0 2.5rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 27rem), 1fr)); }
.runs > article { min-width: 0; border-top: 1px solid var(--line); }
.one > article { max-width: 72rem; }
.figures { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 18rem), 1fr)); }
figure { margin: 0; padding: .75rem; border: 1px solid var(--line); border-radius: .5rem; min-width: 0; }
figure img { display: block; width: 100%; height: auto; margin-top: .5rem; }
figure.pixels img { width: auto; max-width: 100%; border-radius: .25rem; background: #fff; }
.headline strong { font-size: 2rem; line-height: 1.1; }
.headline p { margin: .1rem 0; }
.headline p + p { color: var(--quiet); font-size: .875rem; }
.box { margin: .75rem 0; padding: .6rem .9rem; border-left: .3rem solid var(--line); border-radius: .25rem;
  background: var(--sheet); }
.box ul { margin: .25rem 0; padding-left: 1.1rem; }
.box.alarm { border-color: var(--alarm); background: var(--alarm-paper); }
.box.alarm > strong { color: var(--alarm); }
.box.warning { border-color: var(--warning); background: var(--warning-paper); }
.box.warning > strong { color: var(--warning); }
.verdict { font-weight: 600; }
.tables { display: flex; flex-wrap: wrap; gap: 0 3rem; }
.table { max-width: 100%; min-width: 0; }
.tables > figure { flex: 1 1 20rem; max-width: 26rem; margin: .75rem 0; }
.scroll { overflow-x: auto; margin: .25rem 0 1rem; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
.caption { margin: .75rem 0 0; }
th, td { padding: .3rem .75rem .3rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line);
  overflow-wrap: normal; }
tbody th { font-weight: 400; min-width: 8.5rem; }
.long { min-width: 15rem; }
thead th { font-weight: 600; white-space: nowrap; }
.num { text-align: right; white-space: nowrap; }
.strong th, .strong td { font-weight: 700; }
mark { background: var(--mark); color: inherit; padding: 0 .2rem; border-radius: .15rem; }
code { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: .875em;
  background: var(--sheet); padding: .1rem .3rem; border-radius: .2rem; }
details { margin: .5rem 0; }
summary { cursor: pointer; font-weight: 600; padding: .4rem 0; }
footer { margin-top: 2.5rem; padding-bottom: 2rem; border-top: 1px solid var(--line); }
figure img.dark { display: none; }
@media screen and (prefers-color-scheme: dark) { figure img.dark { display: block; }
  figure img.light { display: none; } }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
@media print {
  :root { --paper: #fff; --sheet: #f6f8fa; --ink: #000; --quiet: #444; --line: #bbb; }
  body { font-size: 10pt; }
  figure, .box, tr { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
  .runs { display: block; }
  .scroll { overflow: visible; }
}
"""
