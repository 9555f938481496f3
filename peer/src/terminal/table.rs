//! Tables for people: aligned columns, two spaces apart, no lines, no colour.

/// The side on which the cells of a column line up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Left, for text.
    Left,
    /// Right, for numbers.
    Right,
}

/// Rows under a header.
#[derive(Clone, Debug)]
pub struct Table {
    columns: Vec<(&'static str, Align)>,
    rows: Vec<Vec<String>>,
}

const GAP: usize = 2;

/// The least width of a shortened column.
const MIN_SHRUNK: usize = 12;

impl Table {
    /// A table with these columns and no rows.
    #[must_use]
    pub fn new(columns: &[(&'static str, Align)]) -> Self {
        Self {
            columns: columns.to_vec(),
            rows: Vec::new(),
        }
    }

    /// Adds a row; cells that are missing at its end are empty.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows
            .push(cells.into_iter().take(self.columns.len()).collect());
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Returns the table for a place with so many columns, or, without a number, each row in one line.
    #[must_use]
    pub fn render_at(&self, columns: Option<usize>) -> String {
        columns.map_or_else(|| self.render(), |columns| self.render_within(columns))
    }

    /// Returns the lines, header first, without a line break at the end.
    #[must_use]
    pub fn render(&self) -> String {
        self.lines(&self.widths())
    }

    /// Returns the table in at most `columns` columns, and leaves nothing out: text goes on in the next line
    /// of its column, the widest first; where that is not enough, each row becomes a paragraph with its first
    /// cell on a line of its own.
    #[must_use]
    pub fn render_within(&self, columns: usize) -> String {
        let mut widths = self.widths();
        let narrowest = self
            .columns
            .iter()
            .zip(&widths)
            .map(|((_, align), width)| match align {
                Align::Left => *width.min(&MIN_SHRUNK),
                Align::Right => *width,
            });
        if narrowest.sum::<usize>() + GAP * widths.len().saturating_sub(1) > columns {
            let rows: Vec<String> = self.rows.iter().map(|row| self.paragraph(row, columns)).collect();
            return rows.join("\n");
        }
        while widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1) > columns {
            let texts = widths
                .iter_mut()
                .zip(&self.columns)
                .filter(|(_, (_, align))| *align == Align::Left);
            match texts.map(|(width, _)| width).max() {
                Some(widest) if *widest > MIN_SHRUNK => *widest -= 1,
                _ => break,
            }
        }
        self.lines(&widths)
    }

    /// Returns one row as a paragraph of titles and cells, as many to a line as fit.
    fn paragraph(&self, row: &[String], columns: usize) -> String {
        let mut cells = row.iter().zip(&self.columns);
        let first = cells
            .next()
            .map_or_else(String::new, |(cell, _)| folded(cell, columns).join("\n"));
        let (mut text, mut used) = (first, columns);
        for (cell, (title, _)) in cells.filter(|(cell, _)| !cell.is_empty()) {
            for told in folded(&format!("{title} {cell}"), columns.saturating_sub(GAP)) {
                let width = told.chars().count();
                if used + GAP + width > columns {
                    text.push('\n');
                    used = 0;
                }
                text = format!("{text}{:GAP$}{told}", "");
                used += GAP + width;
            }
        }
        text
    }

    fn widths(&self) -> Vec<usize> {
        let column = |(at, (title, _)): (usize, &(&str, Align))| {
            let cells = self.rows.iter().filter_map(|row| row.get(at));
            let widest = cells.map(|cell| cell.chars().count()).max().unwrap_or(0);
            widest.max(title.chars().count())
        };
        self.columns.iter().enumerate().map(column).collect()
    }

    fn lines(&self, widths: &[usize]) -> String {
        let header: Vec<String> = self
            .columns
            .iter()
            .map(|(title, _)| (*title).to_owned())
            .collect();
        let mut lines = Vec::new();
        for row in std::iter::once(&header).chain(&self.rows) {
            let cells = row.iter().zip(widths);
            let cells: Vec<_> = cells.map(|(cell, width)| folded(cell, *width)).collect();
            let height = cells.iter().map(Vec::len).max().unwrap_or(1);
            for at in 0..height {
                let padded = cells.iter().zip(&self.columns).zip(widths);
                let padded = padded.map(|((cell, (_, align)), &width)| {
                    let part = cell.get(at).map_or("", String::as_str);
                    match align {
                        Align::Left => format!("{part:<width$}"),
                        Align::Right => format!("{part:>width$}"),
                    }
                });
                let line = padded.collect::<Vec<_>>().join("  ");
                lines.push(line.trim_end().to_owned());
            }
        }
        lines.join("\n")
    }
}

/// Returns a text as lines of at most `width` characters, broken at spaces where there are some.
fn folded(text: &str, width: usize) -> Vec<String> {
    let (mut lines, mut rest) = (Vec::new(), text.trim_start());
    while let Some((end, _)) = rest.char_indices().nth(width.max(1)) {
        // A word that ends exactly there is whole.
        let space = rest[..end].rfind(' ').filter(|_| !rest[end..].starts_with(' '));
        let (line, after) = rest.split_at(space.unwrap_or(end));
        lines.push(line.trim_end().to_owned());
        rest = after.trim_start();
    }
    lines.push(rest.to_owned());
    lines
}

/// Returns the text in at most `width` characters; an ellipsis replaces the rest.
#[must_use]
pub fn shortened(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{kept}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(&[
            ("NAME", Align::Left),
            ("SIZE", Align::Right),
            ("STATE", Align::Left),
        ]);
        table.row(["models/llama-70b.gguf", "40.0 GiB", "replicated"].map(String::from));
        table.row(["ñandú", "3 B", ""].map(String::from));
        table
    }

    #[test]
    fn columns_line_up_and_lines_end_without_spaces() {
        let expected = "\
NAME                       SIZE  STATE
models/llama-70b.gguf  40.0 GiB  replicated
ñandú                       3 B";
        assert_eq!(table().render(), expected);
        assert_eq!(table().render_within(80), expected);
    }

    #[test]
    fn a_narrow_screen_folds_the_widest_text() {
        let narrow = table().render_within(36);
        assert!(narrow.lines().all(|line| line.chars().count() <= 36), "{narrow}");
        assert!(
            narrow.contains("models/llama-7  40.0 GiB  replicated\n0b.gguf"),
            "{narrow}"
        );
        assert!(narrow.starts_with("NAME"), "{narrow}");
        let expected = "\
models/llama-70b.ggu
f
  SIZE 40.0 GiB
  STATE replicated
ñandú
  SIZE 3 B";
        assert_eq!(table().render_within(20), expected);
        assert_eq!(
            table().render_within(33).lines().nth(1),
            Some("  SIZE 40.0 GiB  STATE replicated")
        );
    }

    #[test]
    fn no_screen_is_too_narrow_to_say_everything() {
        let mut table = table();
        let why = "live, unreachable at 10.0.0.7:50053: connection refused";
        table.row(["a", "1 B", why].map(String::from));
        for columns in [12, 20, 40, 60, 80, 200] {
            let text = table.render_within(columns);
            assert!(text.lines().all(|line| line.chars().count() <= columns), "{text}");
            assert!(!text.contains('…'), "{text}");
            for word in ["unreachable", "refused", "replicated"] {
                assert!(columns < 20 || text.contains(word), "{columns}: {text}");
            }
        }
        assert_eq!(folded("ab cd", 2), ["ab", "cd"]);
        assert_eq!(folded("abcde", 2), ["ab", "cd", "e"]);
        assert_eq!(folded("", 5), [""]);
    }
}
