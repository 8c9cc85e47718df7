//! An exhibit as one HTML file: style inside, no script, nothing fetched, black on white on A4 or Letter.

use super::Exhibit;
use super::page::{Block, Mark, Row, page};

const STYLE: &str = "\
@page{margin:18mm}
body{font:11pt/1.4 Georgia,'Times New Roman',serif;color:#000;background:#fff;max-width:46em;margin:2em auto;padding:0 1em}
h1{font-size:15pt;overflow-wrap:anywhere;margin:0 0 .4em}
h2{font-size:12.5pt;border-bottom:1px solid #000;margin:1.6em 0 .6em;break-after:avoid}
.verdict{border:2px solid #000;padding:.5em .8em;font-weight:bold}
.verdict.bad{border:4px double #000;background:#eee}
table{border-collapse:collapse;width:100%;table-layout:fixed}
td,th{border-top:1px solid #bbb;padding:.2em .5em .2em 0;vertical-align:top;text-align:left;overflow-wrap:anywhere}
tr{break-inside:avoid}
th{width:32%;font-weight:normal;font-style:italic}
td,li,pre{font-family:'DejaVu Sans Mono',Consolas,Menlo,monospace;font-size:9pt}
tr.note td{border-left:2px solid #000;padding-left:.5em}
tr.bad td{border-left:5px solid #000;padding-left:.5em;font-weight:bold}
li{overflow-wrap:anywhere}
pre{border:1px solid #000;padding:.6em;white-space:pre-wrap;overflow-wrap:anywhere;font-size:7.5pt;line-height:1.25}
@media print{body{max-width:none;margin:0;padding:0}}
";

impl Exhibit {
    /// The exhibit as a self-contained HTML document.
    pub fn to_html(&self) -> String {
        let page = page(self);
        let title = html(&page.title);
        let bad = if page.failed { " bad" } else { "" };
        let mut out = format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
             <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n\
             <p class=\"verdict{bad}\">{}</p>\n",
            html(&page.headline)
        );
        for section in &page.sections {
            out += &format!("<section>\n<h2>{}</h2>\n", html(&section.title));
            section.blocks.iter().for_each(|block| write_block(&mut out, block));
            out += "</section>\n";
        }
        out += "</body>\n</html>\n";
        out
    }
}

fn write_block(out: &mut String, block: &Block) {
    match block {
        Block::Rows(rows) => {
            *out += "<table>\n";
            rows.iter().for_each(|row| write_row(out, row));
            *out += "</table>\n";
        }
        Block::Text(text) => *out += &format!("<p>{}</p>\n", html(text)),
        Block::List(items) => {
            *out += "<ul>\n";
            items.iter().for_each(|item| *out += &format!("<li><bdi>{}</bdi></li>\n", html(item)));
            *out += "</ul>\n";
        }
        Block::Script(script) => *out += &format!("<pre>{}</pre>\n", html(script)),
    }
}

fn write_row(out: &mut String, row: &Row) {
    let class = match row.mark {
        Mark::Plain => "",
        Mark::Note => " class=\"note\"",
        Mark::Bad => " class=\"bad\"",
    };
    // what is written from right to left must not move its neighbours
    *out += &format!(
        "<tr{class}><th scope=\"row\"><bdi>{}</bdi></th><td><bdi>{}</bdi></td></tr>\n",
        html(&row.label),
        html(&row.value)
    );
}

/// Text that no element or attribute can be made of.
fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
    out
}
