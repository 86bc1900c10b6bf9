//! Rows for people and the same rows for programs: aligned columns, or JSON.

use crate::text::json::Writer;
use crate::text::sanitize;

/// A cell wider than this is cut in the table, never in JSON: a container chooses some of the words.
pub const CELL_MAX: usize = 80;

/// One column.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// Its heading in the table; None leaves it out there.
    pub title: Option<&'static str>,
    /// Its key in JSON.
    pub key: &'static str,
}

/// One cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    Text(String),
    Number(u64),
    Flag(bool),
    List(Vec<String>),
    Missing,
}

impl Cell {
    pub fn text(text: impl Into<String>) -> Cell {
        Cell::Text(text.into())
    }

    /// The text, or nothing when there is none or it is empty.
    pub fn of(text: Option<String>) -> Cell {
        text.filter(|text| !text.is_empty()).map_or(Cell::Missing, Cell::Text)
    }

    /// As a terminal shows it: harmless, one line, at most so many characters.
    fn shown(&self, most: usize) -> String {
        let text = match self {
            Cell::Text(text) => sanitize::line(text),
            Cell::Number(number) => number.to_string(),
            Cell::Flag(flag) => if *flag { "yes" } else { "no" }.to_string(),
            Cell::List(words) => sanitize::line(&words.join(",")),
            Cell::Missing => String::new(),
        };
        match text.char_indices().nth(most) {
            _ if text.is_empty() => "-".to_string(),
            Some((end, _)) => format!("{}...", &text[..end]),
            None => text,
        }
    }

    /// Whether there is nothing to show.
    pub fn is_empty(&self) -> bool {
        match self {
            Cell::Text(text) => text.is_empty(),
            Cell::List(words) => words.is_empty(),
            Cell::Number(_) | Cell::Flag(_) => false,
            Cell::Missing => true,
        }
    }

    /// Writes it as a JSON value.
    pub fn write(&self, json: &mut Writer) {
        match self {
            Cell::Text(text) => json.string(text),
            Cell::Number(number) => json.number(*number),
            Cell::Flag(flag) => json.bool(*flag),
            Cell::Missing => json.optional(None),
            Cell::List(words) => {
                json.begin_array();
                for word in words {
                    json.string(word);
                }
                json.end_array()
            }
        };
    }
}

/// A heading and one line a row; every row has a cell for each column.
pub fn render(columns: &[Column], rows: &[Vec<Cell>]) -> String {
    let titles = columns.iter().filter_map(|column| column.title).map(str::to_string).collect();
    let mut lines: Vec<Vec<String>> = vec![titles];
    for row in rows {
        let shown = columns.iter().zip(row).filter(|(column, _)| column.title.is_some());
        lines.push(shown.map(|(_, cell)| cell.shown(CELL_MAX)).collect());
    }
    let widths = widths(&lines);
    let mut text = String::new();
    for line in &lines {
        push_line(&mut text, line, &widths);
    }
    text
}

/// An array of objects with the same keys in the same order.
pub fn json(columns: &[Column], rows: &[Vec<Cell>]) -> String {
    let mut json = Writer::new();
    write_rows(&mut json, columns, rows);
    json.finish()
}

/// The same as a value of a larger text.
pub fn write_rows(json: &mut Writer, columns: &[Column], rows: &[Vec<Cell>]) {
    json.begin_array();
    for row in rows {
        json.begin_object();
        for (column, cell) in columns.iter().zip(row) {
            cell.write(json.key(column.key));
        }
        json.end_object();
    }
    json.end_array();
}

/// Two columns without a heading: what something is, and its value, however long.
pub fn pairs(rows: &[(&str, &Cell)]) -> String {
    let lines: Vec<Vec<String>> =
        rows.iter().map(|(name, cell)| vec![format!("{name}:"), cell.shown(usize::MAX)]).collect();
    let widths = widths(&lines);
    let mut text = String::new();
    for line in &lines {
        push_line(&mut text, line, &widths);
    }
    text
}

fn widths(lines: &[Vec<String>]) -> Vec<usize> {
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    (0..columns)
        .map(|column| lines.iter().filter_map(|line| line.get(column)).map(|cell| width(cell)).max().unwrap_or(0))
        .collect()
}

fn push_line(text: &mut String, cells: &[String], widths: &[usize]) {
    for (index, (cell, widest)) in cells.iter().zip(widths).enumerate() {
        text.push_str(cell);
        if index + 1 < cells.len() {
            text.extend(std::iter::repeat_n(' ', widest - width(cell) + 2));
        }
    }
    text.push('\n');
}

fn width(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 3] = [
        Column { title: Some("NAME"), key: "name" },
        Column { title: Some("OS"), key: "os" },
        Column { title: None, key: "pid" },
    ];

    fn rows() -> Vec<Vec<Cell>> {
        vec![
            vec![Cell::text("web"), Cell::text("größe"), Cell::Number(7)],
            vec![Cell::text("database"), Cell::Missing, Cell::Missing],
        ]
    }

    #[test]
    fn columns_are_aligned_by_characters() {
        assert_eq!(render(&COLUMNS, &rows()), "NAME      OS\nweb       größe\ndatabase  -\n");
    }

    #[test]
    fn json_has_the_same_rows_and_all_columns() {
        let expected =
            "[{\"name\":\"web\",\"os\":\"größe\",\"pid\":7},{\"name\":\"database\",\"os\":null,\"pid\":null}]\n";
        assert_eq!(json(&COLUMNS, &rows()), expected);
        assert_eq!(json(&COLUMNS, &[]), "[]\n");
    }

    #[test]
    fn a_cell_cannot_leave_its_place() {
        let hostile = Cell::text(format!("\x1b[2J\nroot\u{202e}{}", "x".repeat(5000)));
        let text = render(&COLUMNS, &[vec![Cell::text("a"), hostile, Cell::Missing]]);
        assert_eq!(text.lines().count(), 2);
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'));
        assert!(text.lines().all(|line| line.chars().count() < CELL_MAX + 20));
    }

    #[test]
    fn pairs_and_lists() {
        let list = Cell::List(vec!["a".to_string(), "b".to_string()]);
        assert_eq!(pairs(&[("name", &Cell::text("web")), ("layers", &list)]), "name:    web\nlayers:  a,b\n");
    }
}
