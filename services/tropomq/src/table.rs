//! Tables for people: columns that stand below each other, and colours where they can be seen.

use std::io::IsTerminal;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::output::printable;

/// What stands between two columns.
const GAP: &str = "  ";

/// The widest that a cell is shown.
const WIDTH_MAX: usize = 100;

/// What a cell says beside its words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Tone {
    /// Nothing.
    Plain,
    /// All is well.
    Good,
    /// It may not be well.
    Doubtful,
    /// It is not well.
    Bad,
}

/// Whether colours are shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ink {
    /// As the tone says.
    Coloured,
    /// For files, pipes, and whoever wants none.
    Plain,
}

/// One field of a table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Cell {
    words: String,
    tone: Tone,
    /// Numbers stand at the right.
    is_number: bool,
}

/// A table that is printed as it grows: its columns become wider, and never narrower.
pub(crate) struct Table<const N: usize> {
    /// Not printed yet; `None`: it was.
    head: Option<[Cell; N]>,
    rows: Vec<[Cell; N]>,
    widths: [usize; N],
    ink: Ink,
}

impl Ink {
    /// On standard output: a terminal gets colours, unless `NO_COLOR` is set.
    pub(crate) fn of_stdout() -> Self {
        let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_dumb = std::env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
        if std::io::stdout().is_terminal() && !is_set("NO_COLOR") && !is_dumb { Self::Coloured } else { Self::Plain }
    }

    /// Words in the colour of a tone.
    pub(crate) fn paint(self, tone: Tone, words: &str) -> String {
        let colour = match (self, tone) {
            (Self::Plain, _) | (Self::Coloured, Tone::Plain) => return words.to_owned(),
            (Self::Coloured, Tone::Good) => 32,
            (Self::Coloured, Tone::Doubtful) => 33,
            (Self::Coloured, Tone::Bad) => 31,
        };
        format!("\u{1b}[{colour}m{words}\u{1b}[0m")
    }
}

impl Cell {
    /// Words on one line, cut where they are too long for it. A field is never empty, so that columns can be told apart.
    pub(crate) fn new(words: impl AsRef<str>) -> Self {
        let words = words.as_ref();
        let words = if words.is_empty() { "-".to_owned() } else { cut(&printable(words)) };
        Self { words, tone: Tone::Plain, is_number: false }
    }

    /// A number.
    pub(crate) fn number(number: &(impl ToString + ?Sized)) -> Self {
        Self { is_number: true, ..Self::new(number.to_string()) }
    }

    /// A number that may not be known.
    pub(crate) fn known(number: Option<u64>) -> Self {
        Self { is_number: true, ..Self::new(number.map_or_else(|| "?".to_owned(), |number| number.to_string())) }
    }

    /// The same, with a tone.
    pub(crate) fn toned(self, tone: Tone) -> Self {
        Self { tone, ..self }
    }
}

impl<const N: usize> Table<N> {
    /// A table with these columns.
    pub(crate) fn new(head: [&str; N], ink: Ink) -> Self {
        Self { head: Some(head.map(Cell::new)), rows: Vec::new(), widths: head.map(UnicodeWidthStr::width), ink }
    }

    /// Adds a row.
    pub(crate) fn add(&mut self, row: [Cell; N]) {
        for (width, cell) in self.widths.iter_mut().zip(&row) {
            *width = cell.words.width().max(*width);
        }
        self.rows.push(row);
    }

    /// The rows that were added since it was asked for last; the first time with the head above them.
    pub(crate) fn written(&mut self) -> String {
        let mut head = self.head.take().into_iter().collect::<Vec<_>>();
        // A head stands where its column does.
        for row in &self.rows {
            for (head, cell) in head.iter_mut().flatten().zip(row) {
                head.is_number |= cell.is_number;
            }
        }
        let rows = head.into_iter().chain(std::mem::take(&mut self.rows));
        rows.map(|row| self.line(&row)).collect()
    }

    fn line(&self, row: &[Cell; N]) -> String {
        let cells = row.iter().zip(self.widths).enumerate().map(|(place, (cell, width))| {
            let blank = " ".repeat(width.saturating_sub(cell.words.width()));
            let words = self.ink.paint(cell.tone, &cell.words);
            match (cell.is_number, place + 1 == N) {
                (true, _) => blank + &words,
                (false, true) => words,
                (false, false) => words + &blank,
            }
        });
        cells.collect::<Vec<_>>().join(GAP) + "\n"
    }
}

/// As much of the words as is shown.
fn cut(words: &str) -> String {
    if words.width() <= WIDTH_MAX {
        return words.to_owned();
    }
    let mut width = 1;
    let shown = words.chars().take_while(|c| {
        width += c.width().unwrap_or_default();
        width <= WIDTH_MAX
    });
    shown.chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_each_other_in_every_script() {
        let mut table = Table::new(["NAME", "COUNT", "WORDS"], Ink::Plain);
        table.add([Cell::new("象"), Cell::number(&7), Cell::new("ça va?")]);
        table.add([Cell::new("elephant"), Cell::known(None), Cell::new("")]);
        assert_eq!(
            table.written(),
            "NAME      COUNT  WORDS\n\
             象            7  ça va?\n\
             elephant      ?  -\n"
        );
        table.add([Cell::new("a"), Cell::number(&100_000), Cell::new("b")]);
        assert_eq!(table.written(), "a         100000  b\n", "the head is printed once");
        assert_eq!(table.written(), "");
    }

    #[test]
    fn a_cell_is_one_line_that_a_terminal_shows_as_it_is() {
        let cell = Cell::new("two\nlines\u{1b}[2J");
        assert!(!cell.words.contains(char::is_control), "{cell:?}");
        let long = Cell::new("象".repeat(200));
        assert!(long.words.width() <= WIDTH_MAX && long.words.ends_with('…'), "{long:?}");
    }

    #[test]
    fn colours_are_for_terminals_and_move_no_column() {
        let row = || [Cell::new("no").toned(Tone::Bad), Cell::new("x")];
        let (mut plain, mut coloured) = (Table::new(["IS", "B"], Ink::Plain), Table::new(["IS", "B"], Ink::Coloured));
        plain.add(row());
        coloured.add(row());
        assert_eq!(plain.written(), "IS  B\nno  x\n");
        assert_eq!(coloured.written(), "IS  B\n\u{1b}[31mno\u{1b}[0m  x\n");
    }
}
