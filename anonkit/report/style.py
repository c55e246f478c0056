"""The look of the page: light, for reading and for paper; no font, image or script from anywhere."""

from __future__ import annotations

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
"""Content security policy of the page: even a planted element could load or run nothing."""

CSS = """
:root{--ink:#1c2a33;--faint:#5c6b75;--rule:#d9dfe3;--ground:#f6f7f8;--accent:#0f6e84;--bad:#b3261e;--warn:#9a5b00;--good:#1d6b3a}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);font:15px/1.55 system-ui,'Segoe UI','Helvetica Neue','DejaVu Sans',sans-serif}
main{max-width:1080px;margin:0 auto;padding:0 20px 60px}
header{background:#fff;border-bottom:1px solid var(--rule);padding:22px 0 18px;margin-bottom:20px}
header>div{max-width:1080px;margin:0 auto;padding:0 20px}
h1{font-size:25px;line-height:1.25;margin:6px 0 4px}
h2{font-size:19px;margin:0 0 4px;padding-top:2px}
h3{font-size:15px;margin:22px 0 6px}
p{margin:6px 0 10px;max-width:78ch}
section{background:#fff;border:1px solid var(--rule);border-radius:8px;padding:20px 24px 22px;margin:18px 0}
.inside{display:inline-block;font-size:12px;letter-spacing:.04em;color:#fff;background:var(--bad);border-radius:4px;padding:2px 9px;font-weight:600}
.faint,figcaption,.note{color:var(--faint)}
.note,figcaption{font-size:13px}
.statement{font-size:16px;border-left:4px solid var(--accent);padding:2px 0 2px 14px;margin:12px 0;max-width:82ch}
nav{display:flex;flex-wrap:wrap;gap:4px 18px;font-size:14px;margin-top:12px}
a{color:var(--accent)}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(300px,1fr));gap:12px;margin:14px 0 4px}
.card{border:1px solid var(--rule);border-radius:8px;padding:12px 14px;background:#fff}
.card b{display:block;font-size:24px;line-height:1.2;margin:2px 0;font-weight:650;font-variant-numeric:tabular-nums}
.card span{display:block;font-size:13px;color:var(--faint)}
.card.bad{border-color:var(--bad);box-shadow:inset 4px 0 var(--bad)}
.card.good{box-shadow:inset 4px 0 var(--good)}
.card .was{display:inline;color:var(--faint);font-weight:400;font-size:18px}.card .was{font-style:normal}
.wide{overflow-x:auto;margin:8px 0 14px}
table{border-collapse:collapse;width:100%;font-size:14px}
th,td{text-align:left;vertical-align:top;padding:6px 12px 6px 0;border-bottom:1px solid var(--rule)}
th{font-weight:600;font-size:13px;color:var(--faint);border-bottom:2px solid var(--rule)}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
.small table{font-size:12.5px}.small td,.small th{padding:4px 10px 4px 0}
.s{font-weight:600;white-space:nowrap}
.PASS{color:var(--good)}.FAIL{color:var(--bad)}.WARN{color:var(--warn)}
.verdict{display:inline-block;border-radius:6px;padding:4px 12px;font-weight:650;color:#fff}
.verdict.good{background:var(--good)}.verdict.bad{background:var(--bad)}
figure{margin:10px 0 16px;min-width:0}figcaption{max-width:78ch;margin-top:4px}
svg{max-width:100%;height:auto;display:block}
.solo svg{width:660px}
.pair svg{width:100%}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(440px,1fr));gap:6px 22px;align-items:start}
dl{display:grid;grid-template-columns:max-content 1fr;gap:3px 18px;margin:10px 0;font-size:14px}
dt{color:var(--faint)}dd{margin:0;overflow-wrap:anywhere}
code{font:12.5px ui-monospace,'DejaVu Sans Mono',monospace;overflow-wrap:anywhere}
ul{margin:6px 0 10px;padding-left:20px;max-width:80ch}li{margin:4px 0}
.sign{display:grid;grid-template-columns:2fr 1fr 2fr;gap:26px;margin-top:34px}
.sign div{border-top:1px solid var(--ink);padding-top:4px;font-size:13px;color:var(--faint)}
@media print{
body{background:#fff;font-size:11pt}main{max-width:none;padding:0}header{padding-top:0}nav{display:none}
section{border:0;padding:0;margin:14pt 0;border-radius:0}figure,.card,tr{break-inside:avoid}h2,h3{break-after:avoid}
*{-webkit-print-color-adjust:exact;print-color-adjust:exact}.wide{overflow:visible}.pair{grid-template-columns:1fr 1fr}
@page{margin:15mm}}
"""
