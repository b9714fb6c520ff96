/* The look of the report: one column of readable width, dark and light, A4. */
#include "audit/report_internal.h"

/* Colours carry no meaning alone: each mark has its word. On paper the box that scrolls is open, rows are not cut, and the
 * head of a table stands on each page. */
const char *const ent_report_css[] = {
    ":root{color-scheme:light "
    "dark;--fg:#1b2230;--mut:#566074;--bg:#fff;--soft:#f4f6f9;--line:#d5dae3;"
    "--good:#1a6b3c;--goodbg:#e6f4eb;--bad:#a31621;--badbg:#fdeaea;--warn:#7a5200;--warnbg:#fdf3dc;"
    "--acc:#2d6a9f;--rej:#c4473a;--drop:#d9a441}\n",
    "@media "
    "(prefers-color-scheme:dark){:root{--fg:#e4e8ef;--mut:#a3adbd;--bg:#14181f;--soft:#1d232d;"
    "--line:#36404e;--good:#7fd6a0;--goodbg:#16301f;--bad:#ff9a96;--badbg:#3a181a;--warn:#f0c674;"
    "--warnbg:#332813;--acc:#6aa9dd;--rej:#e8796c;--drop:#e3bb6a}}\n",
    "*{box-sizing:border-box}\n",
    "body{margin:0;background:var(--bg);color:var(--fg);font:16px/1.5 "
    "system-ui,-apple-system,\"Segoe "
    "UI\",\"Liberation Sans\",Arial,sans-serif}\n",
    "main{max-width:62rem;margin:0 auto;padding:1.5rem 1.25rem 4rem}\n",
    "h1{font-size:1.6rem;line-height:1.25;margin:.25rem 0 .25rem;overflow-wrap:anywhere}\n",
    "h2{font-size:1.2rem;margin:2.25rem 0 .5rem;padding-top:.75rem;border-top:1px solid "
    "var(--line)}\n",
    "h3{font-size:1rem;margin:1.25rem 0 .35rem}\n",
    "p{margin:.5rem 0;max-width:46rem}\n",
    "ul{margin:.5rem 0;padding-left:1.25rem}li{margin:.3rem 0;max-width:46rem}\n",
    ".small{font-size:.875rem;color:var(--mut)}\n",
    ".eyebrow{margin:0;color:var(--mut);font-size:.875rem}\n",
    "code{font:.8125rem/1.4 ui-monospace,\"DejaVu Sans Mono\",\"Liberation "
    "Mono\",monospace;overflow-wrap:anywhere}\n",
    "pre{background:var(--soft);border:1px solid "
    "var(--line);border-radius:6px;padding:.75rem;margin:.75rem 0;white-space:pre-wrap;"
    "overflow-wrap:anywhere;font:.8125rem/1.5 ui-monospace,\"DejaVu Sans Mono\",\"Liberation "
    "Mono\",monospace}\n",
    "nav{font-size:.875rem;margin:1rem 0;line-height:1.9}nav "
    "a{margin-right:.9rem;white-space:nowrap}"
    "a{color:inherit;text-decoration-color:var(--mut)}\n",
    ".v{margin:1rem 0;padding:1rem 1.15rem;border-radius:8px;border:1px "
    "solid;border-left-width:8px}"
    ".v p{margin:.35rem 0 0;max-width:none}.v .word{font-size:1.5rem;font-weight:700;margin:0;"
    "line-height:1.2}\n",
    ".v.good{background:var(--goodbg);border-color:var(--good)}.v.good .word{color:var(--good)}\n",
    ".v.bad{background:var(--badbg);border-color:var(--bad)}.v.bad .word{color:var(--bad)}\n",
    ".v.warn{background:var(--warnbg);border-color:var(--warn)}.v.warn .word{color:var(--warn)}\n",
    ".note{margin:.75rem 0;padding:.65rem .9rem;border-left:4px solid "
    "var(--warn);background:var(--warnbg);max-width:none}\n",
    "dl{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,22rem),1fr));gap:.15rem "
    "1.5rem;margin:.75rem 0}dl>div{display:grid;grid-template-columns:9.5rem 1fr;gap:.5rem;"
    "padding:.25rem 0;border-bottom:1px solid var(--line)}dl.one{grid-template-columns:1fr}"
    "dt{color:var(--mut)}dd{margin:0;overflow-wrap:anywhere}\n",
    ".t{overflow-x:auto;margin:.75rem 0}\n",
    "table{border-collapse:collapse;width:100%;font-size:.875rem;line-height:1.4}\n",
    "th,td{text-align:left;vertical-align:top;padding:.4rem .6rem .4rem 0;border-bottom:1px solid "
    "var(--line)}\n",
    "thead th{border-bottom:2px solid var(--line);color:var(--mut);font-weight:600;"
    "vertical-align:bottom}\n",
    "td code{overflow-wrap:anywhere;font-size:.75rem}\n",
    ".n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}td.n+td:not(.n),"
    "th.n+th:not(.n){padding-left:.6rem}\n",
    ".w{white-space:nowrap}td.fill{width:100%}figure{margin:0}\n",
    ".m{display:inline-block;padding:0 .5em;border-radius:4px;font-weight:600;white-space:nowrap;"
    "background:var(--soft)}.m.good{background:var(--goodbg);color:var(--good)}.m.bad{background:"
    "var(--badbg);color:var(--bad)}.m.warn{background:var(--warnbg);color:var(--warn)}\n",
    "svg{display:block;width:100%;height:8.5rem;border-bottom:1px solid var(--line);margin:.75rem "
    "0 "
    "0}.a{fill:var(--acc)}.r{fill:var(--rej)}.d{fill:var(--drop)}.o{fill:var(--line)}\n",
    ".ax{display:flex;justify-content:space-between;margin:.25rem 0;max-width:none}\n",
    ".key{display:inline-block;width:.8em;height:.8em;margin:0 .35em 0 .9em;border:1px solid "
    "var(--mut)}.key:first-child{margin-left:0}.key.a{background:var(--acc)}.key.r{background:"
    "var(--rej)}.key.d{background:var(--drop)}.key.o{background:var(--line)}\n",
    "@media screen and (max-width:40rem){main{padding:1rem .9rem 3rem}h1{font-size:1.35rem}"
    "dl>div{grid-template-columns:1fr;gap:0}.scrolls{border:1px solid "
    "var(--line);border-radius:6px;"
    "padding:0 .6rem}.scrolls table{min-width:52rem}.cards table,.cards tbody,.cards "
    "tr{display:block}"
    ".cards thead{display:none}.cards tr{border:1px solid "
    "var(--line);border-radius:6px;padding:.4rem "
    ".7rem;margin:.6rem 0}.cards td{display:grid;grid-template-columns:7rem 1fr;gap:.6rem;padding:"
    ".15rem 0!important;border:0;text-align:left;white-space:normal}.cards td::before{content:attr("
    "data-l);color:var(--mut)}}\n",
    "@page{size:A4;margin:16mm 14mm}\n",
    "@media "
    "print{:root{color-scheme:light;--fg:#000;--mut:#444;--bg:#fff;--soft:#f4f4f4;--line:#bbb;"
    "--good:#145430;--goodbg:#eef7f1;--bad:#8c1019;--badbg:#fdf0f0;--warn:#5f4000;--warnbg:#fdf7e8;"
    "--acc:#2d6a9f;--rej:#c4473a;--drop:#d9a441}body{font-size:10pt;line-height:1.4;"
    "-webkit-print-color-adjust:exact;print-color-adjust:exact}main{max-width:none;padding:0}nav{"
    "display:none}.t{overflow:visible}.scrolls "
    "table{min-width:0}table{font-size:8.5pt}thead{display:"
    "table-header-group}tr,.v,.note,pre,dl>div,figure,li{break-inside:avoid}h1,h2,h3{break-after:"
    "avoid}h2{margin-top:1.2rem}p{orphans:3;widows:3}td code{font-size:7pt}code,pre{font-size:8pt}"
    "a{text-decoration:none}}\n",
    NULL,
};
