// The page's looks. Dark where the screen prefers it, always light on paper, where everything is unfolded.
import { colourRules } from './palette.ts';

const LIGHT =
  '--paper:#fff;--ink:#1a1c20;--muted:#5a5f69;--grid:#dcdfe4;--panel:#f5f6f8;--good:#1b6b30;--bad:#a8200d;--warn:#fff3d6;--warn-ink:#5c4300;--link:#0b57c4';
const DARK =
  '--paper:#15171b;--ink:#e8eaee;--muted:#a4aab6;--grid:#363b45;--panel:#1f2228;--good:#7fd494;--bad:#ff9c8a;--warn:#3a2f10;--warn-ink:#ffdf94;--link:#8db8ff';

export const STYLE = `:root{color-scheme:light;${LIGHT}}
${colourRules('light')}
@media screen and (prefers-color-scheme:dark){:root{color-scheme:dark;${DARK}}
${colourRules('dark')}}
*{box-sizing:border-box}
body{margin:0 auto;padding:1.5rem 1.25rem 4rem;max-width:76rem;background:var(--paper);color:var(--ink);font:16px/1.5 "Liberation Sans",Arial,Helvetica,"DejaVu Sans",sans-serif;overflow-wrap:anywhere}
h1{font-size:1.8rem;line-height:1.2;margin:0 0 .3rem}
h2{font-size:1.35rem;margin:2.6rem 0 .6rem;padding-bottom:.25rem;border-bottom:1px solid var(--grid)}
h3{font-size:1.05rem;margin:1.8rem 0 .3rem}
p{margin:.4rem 0;max-width:50rem}
a{color:var(--link)}
.muted,.better,summary{color:var(--muted)}
.better{font-weight:normal}
.better::before{content:"· "}
.warnings{background:var(--warn);color:var(--warn-ink);padding:.6rem 1rem;border-radius:6px;margin:1rem 0}
.warnings ul{margin:.2rem 0;padding-left:1.2rem}
.note{font-size:.85rem;color:var(--muted);margin:-.3rem 0 .8rem}
.remarks{margin:.3rem 0;padding-left:1.2rem;font-size:.9rem;color:var(--muted)}
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,26rem),1fr));gap:.5rem 2rem;align-items:start}
figure.plot{margin:.6rem 0;min-width:0;max-width:36rem}
figcaption{font-size:.95rem;font-weight:bold;margin-bottom:.35rem}
svg{display:block;width:100%;height:auto;overflow:visible;font-family:inherit}
svg text{fill:var(--ink);font-size:12.5px}
svg .tick,svg .axis{fill:var(--muted)}
svg .value{font-weight:normal;font-variant-numeric:tabular-nums}
line.grid{stroke:var(--grid)}
line.axis{stroke:var(--muted)}
line.reference{stroke:var(--ink);stroke-dasharray:4 3}
line.whisker{stroke:var(--ink);stroke-width:1.4}
.bar{fill:currentColor}
.mark{fill:currentColor}
.hollow{fill:var(--paper);stroke:currentColor;stroke-width:1.8}
.curve{fill:none;stroke:currentColor;stroke-width:2.2;stroke-linejoin:round}
.spread{fill:none;stroke:currentColor;stroke-width:1.4}
.leader{fill:none;stroke:currentColor;stroke-width:1;opacity:.6}
.goal{fill:none;stroke:var(--ink);stroke-width:2.5}
.quantile{fill:none;stroke:var(--ink);stroke-width:1.3}
.scroll{overflow-x:auto;max-width:100%}
table{border-collapse:collapse;font-size:.86rem;margin:.4rem 0 .8rem;overflow-wrap:normal}
th,td{text-align:left;vertical-align:top;padding:.25rem .7rem .25rem 0;border-bottom:1px solid var(--grid)}
thead th{font-weight:bold}tbody th{font-weight:normal}
code{font:.85em "Liberation Mono","DejaVu Sans Mono",monospace;color:var(--muted)}
h3 code{font-weight:normal;margin-left:.5em}
td.number,th.number{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
tbody th.text{min-width:9rem}
thead th{vertical-align:bottom}
th.prose,td.prose{min-width:11rem}
td.prose{overflow-wrap:anywhere}
.good{color:var(--good);font-weight:bold}
.bad{color:var(--bad);font-weight:bold}
.open{color:var(--muted);font-weight:bold}
.swatch{display:inline-block;width:.8em;height:.8em;margin-right:.4em;border-radius:2px;background:currentColor;print-color-adjust:exact;-webkit-print-color-adjust:exact}
details{margin:.3rem 0 .8rem}
summary{cursor:pointer;font-size:.88rem}
pre{background:var(--panel);padding:.7rem .9rem;border-radius:6px;overflow-x:auto;font-size:.8rem;line-height:1.4;max-width:100%;font-family:"Liberation Mono","DejaVu Sans Mono",monospace}
nav{font-size:.9rem;margin:.8rem 0}
nav a{margin-right:1rem;white-space:nowrap}
@page{margin:14mm 13mm}
@media print{
html{font-size:9.5pt}
body{max-width:none;padding:0;font-size:1rem}
nav,.screen{display:none}
details::details-content{content-visibility:visible;block-size:auto}
summary{list-style:none}
summary::-webkit-details-marker{display:none}
figure,tr,.warnings,.together{break-inside:avoid}
h2,h3,figcaption,summary,p.muted,thead{break-after:avoid}
th.prose,td.prose{min-width:0}
.scroll{overflow:visible}
table{font-size:.8rem}
th,td{padding:.15rem .45rem .15rem 0}
td.number,th.number{white-space:normal}
tbody th.text{min-width:0}
pre{white-space:pre-wrap;overflow-wrap:anywhere;overflow:visible;font-size:7pt;border:1px solid var(--grid);background:none}
.plots{grid-template-columns:1fr 1fr;gap:.3rem 1.4rem}
.warnings{border:1px solid var(--warn-ink)}
}
`;
