"""The HTML template and style sheet of a rendered page."""

from string import Template

# Number of the colour of well-known labels (in lower case); others share the rest.
COLORS = {
    "per": 0, "person": 0,
    "org": 1, "corporation": 1,
    "loc": 2, "location": 2, "gpe": 2,
}  # fmt: skip
N_COLORS = 8

# displaCy fills in text, label and bg.
ENTITY = '<mark style="--bg: {bg}">{text}<span>{label}</span></mark>'

ENTITY_LEGEND = "Boxes are entities with their probability. "

SENTIMENT_LEGEND = """Sentences: <i style="border-bottom: 2px solid var(--good)">positive</i>
<i style="border-bottom: 2px dashed var(--bad)">negative</i>, the stronger the deeper the colour."""

SUMMARY_LEGEND = """ <i class="summary">Marked sentences</i> are the summary."""

PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
:root {
  color-scheme: light dark;
  --page: #f4f4f1; --card: #ffffff; --ink: #1c1f23; --faint: #646b73; --line: #dcdcd6;
  --good: #2e9e5b; --bad: #d6453d; --bar: #4a6fa5;
  --ent-0: #ffe08a; --ent-1: #c9d8ff; --ent-2: #e5ccf5; --ent-3: #bfeaf0;
  --ent-4: #ffd1b3; --ent-5: #d9d9c3; --ent-6: #f7c6dd; --ent-7: #c5d0d8;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #15171a; --card: #1e2125; --ink: #e6e7e8; --faint: #9aa2ab; --line: #363b41;
    --good: #3fb871; --bad: #ee6a62; --bar: #7ea6e0;
    --ent-0: #5f4b0b; --ent-1: #2b4478; --ent-2: #573271; --ent-3: #175059;
    --ent-4: #6b3a17; --ent-5: #4a4a36; --ent-6: #6b2a4a; --ent-7: #3a4650;
  }
}
* { box-sizing: border-box; }
body { margin: 0; padding: 2rem 1rem 4rem; background: var(--page); color: var(--ink);
  font: 17px/1.5 Georgia, "Times New Roman", serif; }
header, article { max-width: 72rem; margin: 0 auto 1.5rem; }
h1 { font-size: 1.7rem; margin: 0 0 .3rem; }
h2, aside, header p, mark span { font-family: system-ui, -apple-system, "Segoe UI", sans-serif; }
header p { color: var(--faint); font-size: .85rem; margin: 0; }
header p i { padding: .1em .4em; font-style: normal; color: var(--ink); }
article { display: grid; grid-template-columns: minmax(0, 1fr) 17rem; gap: 2rem;
  padding: 1.8rem 2rem;
  background: var(--card); border: 1px solid var(--line); border-radius: 10px; }
.text { white-space: pre-line; line-height: 2.1; max-width: 46rem; overflow-wrap: anywhere; }
.sentence, .sentence .entities { display: inline; line-height: inherit !important; }
.sentence { --tint: transparent; border-radius: 3px; padding: .16em 0;
  background: color-mix(in srgb, var(--tint) calc(var(--strength, 0%) * .38), transparent);
  border-bottom: 2px solid color-mix(in srgb, var(--tint) var(--strength, 0%), transparent); }
[data-mood="positive"] { --tint: var(--good); }
[data-mood="negative"] { --tint: var(--bad); }
.sentence[data-mood="negative"] { border-bottom-style: dashed; }
.sentence:target { outline: 2px solid var(--bar); outline-offset: 2px; }
.summary { text-decoration: underline 3px var(--bar); text-underline-offset: .3em; }
.matrix { max-width: 72rem; margin: 0 auto 1.5rem; overflow-x: auto; }
.matrix table { border-collapse: separate; border-spacing: 2px; font-size: .8rem;
  font-family: system-ui, -apple-system, "Segoe UI", sans-serif; }
.matrix td, .matrix th { padding: .35rem .5rem; font-weight: 400; text-align: center;
  font-variant-numeric: tabular-nums; }
.matrix th[scope="row"] { text-align: left; }
.matrix tbody td { border-radius: 3px; min-width: 3rem;
  background: color-mix(in srgb, var(--bar) calc(var(--strength) * .8), var(--card)); }
mark { background: var(--bg); color: inherit; padding: .18em .35em; margin: 0 .1em;
  border-radius: .35em;
  -webkit-box-decoration-break: clone; box-decoration-break: clone; }
mark span { font-size: .62em; letter-spacing: .03em; margin-left: .5em; white-space: nowrap; }
mark b { font-weight: 600; opacity: .75; }
aside { font-size: .85rem; }
h2 { font-size: .75rem; text-transform: uppercase; letter-spacing: .08em;
  color: var(--faint); margin: 0 0 .5rem; }
aside > * { margin: 0; }
aside h2 { margin: 1.5rem 0 .5rem; }
aside h2:first-child { margin-top: 0; }
.bars { display: grid; grid-template-columns: auto 1fr; gap: .3rem .6rem; align-items: center; }
.bars dt { overflow-wrap: anywhere; }
.bars dd { margin: 0; display: flex; align-items: center; gap: .4rem; }
.bars i { height: .8rem; background: var(--bar); border-radius: 0 3px 3px 0; min-width: 2px;
  flex: none; }
.bars b { font-weight: 500; font-variant-numeric: tabular-nums; }
.mood small { color: var(--faint); }
.chart { display: flex; height: 5rem; margin-top: .5rem; align-items: stretch;
  background: linear-gradient(var(--line), var(--line)) center / 100% 1px no-repeat; }
.chart a { flex: 1; position: relative; min-width: 2px; }
.chart a::before { content: ""; position: absolute; left: .5px; right: .5px;
  background: var(--tint); height: calc(var(--strength) / 2); border-radius: 1px; min-height: 1px; }
.chart [data-mood="positive"]::before { bottom: 50%; }
.chart [data-mood="negative"]::before { top: 50%; }
.chart a:hover::before, .chart a:focus::before { outline: 2px solid var(--ink); }
.entities-list { list-style: none; padding: 0; line-height: 1.9; display: flex; flex-wrap: wrap;
  column-gap: .9rem; }
.entities-list li { color: var(--faint); }
.entities-list span { background: var(--bg); color: var(--ink); border-radius: .3em;
  padding: .1em .35em; }
@media (max-width: 52rem) { article { grid-template-columns: minmax(0, 1fr); padding: 1.2rem; } }
</style>
</head>
<body>
<header><h1>$title</h1>
<p>$legend</p>
</header>
<main>
$articles
</main>
</body>
</html>
""")
