# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a report looks: in light and dark, on a telephone, a wide screen and on paper."""

from __future__ import annotations

from .markup import Html

STYLE = Html(
    """
:root{color-scheme:light dark;--page:#f6f7f9;--card:#fff;--ink:#1a202c;--soft:#586174;--line:#d9dee7;--blue:#1d5fd1;
--green:#0a7a45;--hold:#a15c00;--edge:#6b7280;--good:#0a7a45;--bad:#b42318;--some:#9a5b00;--goodbg:#e8f6ee;
--badbg:#fdecea;--somebg:#fdf3e0;--greybg:#eef0f4}
@media (prefers-color-scheme:dark){:root{--page:#11151c;--card:#1a202b;--ink:#e6e9ef;--soft:#a3adbd;--line:#333d4d;
--blue:#7fb0ff;--green:#54cf8f;--hold:#f0b354;--edge:#98a2b3;--good:#54cf8f;--bad:#ff8f84;--some:#f0b354;
--goodbg:#15301f;--badbg:#3a1a18;--somebg:#362810;--greybg:#252d3a}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
main{max-width:1120px;margin:0 auto;padding:20px 16px 48px}
h1{font-size:1.6rem;line-height:1.25;margin:.1em 0 .5em;overflow-wrap:anywhere}
h2{font-size:1.15rem;margin:0 0 .6em}
h3{font-size:1rem;margin:1.3em 0 .3em}
p{margin:.4em 0}
a{color:var(--blue)}
.over{color:var(--soft);margin:0;font-size:.95rem}
.soft{color:var(--soft)}
section{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:16px 18px;margin:14px 0;
overflow-wrap:anywhere}
.answers{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,280px),1fr));gap:14px;margin:14px 0}
.answers section{margin:0;border-top:4px solid var(--edge)}
.answers h2{font-size:.95rem;color:var(--soft);margin-bottom:.2em}
.answers strong{font-size:1.15rem;display:block}
.answers .good{border-top-color:var(--good)}.answers .bad{border-top-color:var(--bad)}
.answers .some{border-top-color:var(--some)}
.good>strong,.word.good{color:var(--good)}.bad>strong,.word.bad{color:var(--bad)}
.some>strong,.word.some{color:var(--some)}
.word{font-weight:600}
code,pre{font:.86em/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}
code{background:var(--greybg);border-radius:4px;padding:.1em .3em}
code.command{display:block;padding:.5em .7em;margin-top:.5em;user-select:all}
pre{background:var(--greybg);border-radius:6px;padding:10px 12px;margin:.5em 0;white-space:pre-wrap;
overflow-wrap:anywhere}
dl{display:grid;grid-template-columns:minmax(7.5em,max-content) 1fr;gap:4px 16px;margin:0}
dt{color:var(--soft)}dd{margin:0}
.command span{display:inline-block;max-width:100%;overflow-wrap:anywhere}
table{border-collapse:collapse;width:100%;font-size:.94rem}
caption{text-align:left;color:var(--soft);padding-bottom:.3em}
th,td{text-align:left;vertical-align:top;padding:5px 12px 5px 0;border-bottom:1px solid var(--line);
overflow-wrap:anywhere}
th,td{overflow-wrap:break-word}td code{overflow-wrap:anywhere}
th{color:var(--soft);font-weight:600}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.wide{overflow-x:auto}
ol.stages{list-style:none;margin:0;padding:0}
ol.stages li{display:grid;grid-template-columns:minmax(0,26em) 1fr 5em;gap:2px 16px;align-items:center;padding:5px 0;
border-bottom:1px solid var(--line)}
ol.stages .took{text-align:right;font-variant-numeric:tabular-nums}
ol.stages .say{grid-column:1/-1;color:var(--soft);font-size:.92rem}
ol.moments{margin:.3em 0 .8em;padding-left:1.6em;font-size:.94rem}
svg{display:block}
.bar .rail{fill:var(--greybg)}.bar .on{fill:var(--blue)}.bar .back{fill:var(--hold)}.bar .failed{fill:var(--bad)}
.chart{overflow:visible;margin:.2em 0 .4em}
.chart text{fill:var(--soft);font-size:12px}
.chart text.era{fill:#fff;font-weight:600}
.chart text.mark{fill:var(--ink);font-weight:700}
.chart .grid{stroke:var(--line)}
.chart .mark{stroke:var(--ink);stroke-dasharray:3 3}
.chart text.mark{stroke:none}
.chart rect.blue{fill:#1d5fd1}.chart rect.green{fill:#0a7a45}.chart rect.hold{fill:#a15c00}
.chart rect.edge{fill:#6b7280}
.chart path{vector-effect:non-scaling-stroke;stroke-linejoin:round}
.chart .line,.chart .thin{fill:none;stroke-width:2}.chart .thin{stroke-width:1;stroke-dasharray:2 2}
.chart .line.blue,.chart .thin.blue{stroke:var(--blue)}.chart .line.green,.chart .thin.green{stroke:var(--green)}
.chart .line.edge,.chart .thin.edge{stroke:var(--edge)}
.chart .area,.chart .bars{stroke:none;fill-opacity:.28}.chart .bars{fill-opacity:.85}
.chart .area.blue,.chart .bars.blue{fill:var(--blue)}.chart .area.green,.chart .bars.green{fill:var(--green)}
.chart .area.edge,.chart .bars.edge{fill:var(--edge)}
.key{display:flex;flex-wrap:wrap;gap:2px 18px;margin:0 0 .4em;padding:0;list-style:none;font-size:.92rem;
color:var(--soft)}
.key i{display:inline-block;width:.8em;height:.8em;border-radius:2px;margin-right:.4em}
.key .blue{background:var(--blue)}.key .green{background:var(--green)}.key .edge{background:var(--edge)}
.wide+.wide{margin-top:1.2em}
details{margin:.5em 0}summary{cursor:pointer;color:var(--blue)}
footer{color:var(--soft);font-size:.9rem}
@media (max-width:640px){h1{font-size:1.3rem}section{padding:14px}ol.stages li{grid-template-columns:1fr 4.5em}
ol.stages .bar{grid-column:1/-1;grid-row:2}dl{grid-template-columns:1fr}dt{margin-top:.5em}dd+dt{margin-top:.6em}
td,th{padding-right:8px}}
@media print{:root{--page:#fff}body{font-size:11pt}main{max-width:none;padding:0}
section{break-inside:avoid;border-radius:0}
.chart rect,.bar rect,.key i{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
"""
)
