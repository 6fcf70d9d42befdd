//! Text on bitmaps from letters of five by seven dots that stand below, so that a plot needs no font of the system. There are
//! capitals only.

use plotters_backend::text_anchor::{HPos, VPos};
use plotters_backend::{BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind};

/// Any backend, with its text drawn here.
pub struct Lettered<B>(pub B);

type Done<B> = Result<(), DrawingErrorKind<<B as DrawingBackend>::ErrorType>>;

const WIDE: u32 = 5;
const HIGH: u32 = 7;

/// A letter's rows, top first.
const LETTERS: [(char, &str); 53] = [
    ('0', ".###. #...# #..## #.#.# ##..# #...# .###."),
    ('1', "..#.. .##.. ..#.. ..#.. ..#.. ..#.. .###."),
    ('2', ".###. #...# ....# ...#. ..#.. .#... #####"),
    ('3', ".###. #...# ....# ..##. ....# #...# .###."),
    ('4', "...#. ..##. .#.#. #..#. ##### ...#. ...#."),
    ('5', "##### #.... ####. ....# ....# #...# .###."),
    ('6', ".###. #.... #.... ####. #...# #...# .###."),
    ('7', "##### ....# ...#. ..#.. .#... .#... .#..."),
    ('8', ".###. #...# #...# .###. #...# #...# .###."),
    ('9', ".###. #...# #...# .#### ....# ....# .###."),
    ('A', ".###. #...# #...# ##### #...# #...# #...#"),
    ('B', "####. #...# #...# ####. #...# #...# ####."),
    ('C', ".###. #...# #.... #.... #.... #...# .###."),
    ('D', "####. #...# #...# #...# #...# #...# ####."),
    ('E', "##### #.... #.... ####. #.... #.... #####"),
    ('F', "##### #.... #.... ####. #.... #.... #...."),
    ('G', ".###. #...# #.... #.### #...# #...# .###."),
    ('H', "#...# #...# #...# ##### #...# #...# #...#"),
    ('I', ".###. ..#.. ..#.. ..#.. ..#.. ..#.. .###."),
    ('J', "..### ...#. ...#. ...#. ...#. #..#. .##.."),
    ('K', "#...# #..#. #.#.. ##... #.#.. #..#. #...#"),
    ('L', "#.... #.... #.... #.... #.... #.... #####"),
    ('M', "#...# ##.## #.#.# #.#.# #...# #...# #...#"),
    ('N', "#...# ##..# #.#.# #..## #...# #...# #...#"),
    ('O', ".###. #...# #...# #...# #...# #...# .###."),
    ('P', "####. #...# #...# ####. #.... #.... #...."),
    ('Q', ".###. #...# #...# #...# #.#.# #..#. .##.#"),
    ('R', "####. #...# #...# ####. #.#.. #..#. #...#"),
    ('S', ".#### #.... #.... .###. ....# ....# ####."),
    ('T', "##### ..#.. ..#.. ..#.. ..#.. ..#.. ..#.."),
    ('U', "#...# #...# #...# #...# #...# #...# .###."),
    ('V', "#...# #...# #...# #...# #...# .#.#. ..#.."),
    ('W', "#...# #...# #...# #.#.# #.#.# ##.## #...#"),
    ('X', "#...# #...# .#.#. ..#.. .#.#. #...# #...#"),
    ('Y', "#...# #...# .#.#. ..#.. ..#.. ..#.. ..#.."),
    ('Z', "##### ....# ...#. ..#.. .#... #.... #####"),
    (' ', "..... ..... ..... ..... ..... ..... ....."),
    ('.', "..... ..... ..... ..... ..... .##.. .##.."),
    (',', "..... ..... ..... ..... .##.. ..#.. .#..."),
    (':', "..... .##.. .##.. ..... .##.. .##.. ....."),
    (';', "..... .##.. .##.. ..... .##.. ..#.. .#..."),
    ('-', "..... ..... ..... .###. ..... ..... ....."),
    ('+', "..... ..#.. ..#.. ##### ..#.. ..#.. ....."),
    ('_', "..... ..... ..... ..... ..... ..... #####"),
    ('/', "....# ....# ...#. ..#.. .#... #.... #...."),
    ('%', "##..# ##..# ...#. ..#.. .#... #..## #..##"),
    ('(', "...#. ..#.. .#... .#... .#... ..#.. ...#."),
    (')', ".#... ..#.. ...#. ...#. ...#. ..#.. .#..."),
    ('=', "..... ..... ##### ..... ##### ..... ....."),
    ('<', "...#. ..#.. .#... #.... .#... ..#.. ...#."),
    ('>', ".#... ..#.. ...#. ....# ...#. ..#.. .#..."),
    ('@', ".###. #...# #.### #.#.# #.### #.... .###."),
    ('\'', "..#.. ..#.. .#... ..... ..... ..... ....."),
];

/// What stands for a character that is not above.
const UNKNOWN: &str = "##### #...# #...# #...# #...# #...# #####";

fn rows(letter: char) -> &'static str {
    let letter = letter.to_ascii_uppercase();
    LETTERS.iter().find(|(l, _)| *l == letter).map_or(UNKNOWN, |(_, rows)| rows)
}

/// Pixels a dot of a font of this size: capitals of a font are about 0.7 of its size high.
fn dot(size: f64) -> u32 {
    ((size * 0.7 / f64::from(HIGH)).round() as u32).max(1)
}

/// Width and height in pixels.
fn extent(text: &str, size: f64) -> (u32, u32) {
    let n = text.chars().count() as u32;
    let dots = (n * (WIDE + 1)).saturating_sub(1);
    (dots * dot(size), HIGH * dot(size))
}

/// The dots of a text that are inked, by column and row.
fn inked(text: &str) -> impl Iterator<Item = (u32, u32)> {
    text.chars().zip(0u32..).flat_map(|(letter, at)| {
        rows(letter).split(' ').zip(0u32..).flat_map(move |(row, y)| {
            row.bytes().zip(0u32..).filter(|(b, _)| *b == b'#').map(move |(_, x)| (at * (WIDE + 1) + x, y))
        })
    })
}

impl<B: DrawingBackend> DrawingBackend for Lettered<B> {
    type ErrorType = B::ErrorType;

    fn get_size(&self) -> (u32, u32) {
        self.0.get_size()
    }
    fn ensure_prepared(&mut self) -> Done<B> {
        self.0.ensure_prepared()
    }
    fn present(&mut self) -> Done<B> {
        self.0.present()
    }
    fn draw_pixel(&mut self, point: BackendCoord, color: BackendColor) -> Done<B> {
        self.0.draw_pixel(point, color)
    }
    fn draw_line<S: BackendStyle>(&mut self, from: BackendCoord, to: BackendCoord, style: &S) -> Done<B> {
        self.0.draw_line(from, to, style)
    }
    fn draw_rect<S: BackendStyle>(&mut self, a: BackendCoord, b: BackendCoord, style: &S, fill: bool) -> Done<B> {
        self.0.draw_rect(a, b, style, fill)
    }
    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(&mut self, path: I, style: &S) -> Done<B> {
        self.0.draw_path(path, style)
    }
    fn draw_circle<S: BackendStyle>(&mut self, at: BackendCoord, radius: u32, style: &S, fill: bool) -> Done<B> {
        self.0.draw_circle(at, radius, style, fill)
    }
    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(&mut self, path: I, style: &S) -> Done<B> {
        self.0.fill_polygon(path, style)
    }

    fn draw_text<T: BackendTextStyle>(&mut self, text: &str, style: &T, at: BackendCoord) -> Done<B> {
        let (width, height) = extent(text, style.size());
        let (width, height, dot) = (width as i32, height as i32, dot(style.size()) as i32);
        let left = match style.anchor().h_pos {
            HPos::Left => 0,
            HPos::Center => -width / 2,
            HPos::Right => -width,
        };
        let top = match style.anchor().v_pos {
            VPos::Top => 0,
            VPos::Center => -height / 2,
            VPos::Bottom => -height,
        };
        let (wide, high) = self.get_size();
        let inside = |x: i32, y: i32| (0..wide as i32).contains(&x) && (0..high as i32).contains(&y);
        for (column, row) in inked(text) {
            for (x, y) in (0..dot).flat_map(|x| (0..dot).map(move |y| (x, y))) {
                let (x, y) = (left + column as i32 * dot + x, top + row as i32 * dot + y);
                let (x, y) = style.transform().transform(x, y);
                if inside(at.0 + x, at.1 + y) {
                    self.0.draw_pixel((at.0 + x, at.1 + y), style.color())?;
                }
            }
        }
        Ok(())
    }

    fn estimate_text_size<T: BackendTextStyle>(
        &self,
        text: &str,
        style: &T,
    ) -> Result<(u32, u32), DrawingErrorKind<Self::ErrorType>> {
        Ok(extent(text, style.size()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_letter_is_five_by_seven_and_no_two_are_alike() {
        for (i, (letter, rows)) in LETTERS.iter().enumerate() {
            let all: Vec<&str> = rows.split(' ').collect();
            assert!(all.len() == 7 && all.iter().all(|r| r.len() == 5), "{letter}");
            assert!(rows.chars().all(|c| ".# ".contains(c)), "{letter}");
            assert!(LETTERS[..i].iter().all(|(l, r)| l != letter && r != rows), "{letter}");
        }
        assert_eq!(rows('a'), rows('A'));
        assert_eq!(rows('\u{1F600}'), UNKNOWN);
    }

    #[test]
    fn a_text_is_as_wide_as_its_letters() {
        assert_eq!(extent("", 20.0), (0, 14));
        assert_eq!(extent("ab", 20.0), (22, 14));
        // The T: five dots across, six below the middle.
        assert_eq!(inked("T").count(), 11);
    }
}
