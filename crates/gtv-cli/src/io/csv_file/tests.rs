use super::*;
use proptest::prelude::*;

fn read(text: &str) -> Result<Content, String> {
    parse(Path::new("a.csv"), text.as_bytes(), &Budget::new(None)).map_err(|e| e.to_string())
}

/// What may be meant as a number, or as a missing one, and is neither read nor passed over.
const MEANT: [&str; 30] = [
    "NA",
    "na",
    "N/A",
    "NaN(ind)",
    "-nan(0x8)",
    "NULL",
    "None",
    "missing",
    "<NA>",
    "",
    "-",
    "--",
    "?",
    ".",
    "*",
    "\u{2212}1",
    "1.0D+00",
    "1.5d0",
    "-1 # note",
    "\"1,5\"",
    "\"1,000\"",
    "1;2",
    "1 2",
    "1_000",
    "0x1F",
    "$5",
    "50%",
    "1.2.3",
    "2020-01-01",
    "１",
];

#[test]
fn the_first_line_is_data_unless_it_can_only_be_names() {
    for cell in MEANT {
        // An empty line is no row.
        if !cell.is_empty() {
            let first = read(&format!("{cell}\n0\n1\n")).unwrap_err();
            assert!(first.contains("line 1, column 1"), "{cell}: {first}");
        }
        let pair = read(&format!("x,{cell}\n0,1\n")).unwrap_err();
        assert!(pair.contains("line 1, column"), "{cell}: {pair}");
        let later = read(&format!("0,0\n0,{cell}\n")).unwrap_err();
        assert!(later.contains("line 2, column 2"), "{cell}: {later}");
    }
    for names in [
        "x",
        "x,y",
        "\"x\",\"y\"",
        "x [m],Δt",
        "x1,_y",
        "(a),V2",
        "nand,info,infinite,nano,e5",
        "\"\"\"a\"\"\"",
    ] {
        let columns = names.matches(',').count() + 1;
        let row = vec!["2"; columns].join(",");
        let content = read(&format!("# a comment\n\n{names}\n{row}\n")).unwrap();
        assert_eq!((content.shape, content.values), (vec![1, columns], vec![2.0; columns]), "{names}");
        assert!(content.header.is_some_and(|h| h.starts_with("line 3 (")), "{names}");
        // One header only.
        assert!(read(&format!("{names}\n{names}\n{row}\n")).unwrap_err().contains("line 2, column 1"));
    }
    for value in ["nan", "inf", "-Infinity", "NaN", "1e999"] {
        assert!(read(&format!("{value}\n0\n")).unwrap_err().contains("finite"), "{value}");
    }
}

#[test]
fn the_advice_fits_what_was_meant() {
    for (cell, advice) in [
        ("NA", "missing"),
        ("\u{2212}1", "minus sign"),
        ("1.0D+00", "exponent"),
        ("-1 # note", "comment"),
        ("\"1,5\"", "decimals"),
        ("1;2", "commas"),
        ("-1.0e+00 2.0e+00", "commas"),
        ("1st", "header"),
    ] {
        let refused = read(&format!("{cell}\n0\n")).unwrap_err();
        assert!(refused.contains(advice), "{cell}: {refused}");
    }
}

#[test]
fn lines_of_other_programs() {
    let plain = read("-1\n0\n1\n").unwrap();
    for same in [
        "-1\r\n0\r\n1\r\n",
        "-1\r0\r1\r",
        "-1\n0\n1",
        "-1\n\n0\n\n1\n\n",
        "\u{feff}-1\n0\n1\n",
        "\"-1\"\n\"0\"\n\"1\"\n",
    ] {
        assert_eq!(read(same).as_ref(), Ok(&plain), "{same:?}");
    }
    for end in ["\n", "\r\n", "\r"] {
        let text = ["# a", "", "x", "# b, \"c", "1", "", "# d", "two", ""].join(end);
        assert!(read(&text).unwrap_err().contains("line 8, column 1"), "{end:?}");
    }
    assert!(read("-1,\n0,\n").unwrap_err().contains("column 2"));
    for error in ERRORS {
        let refused = read(&format!("1\n{error}\n0\n")).unwrap_err();
        assert!(refused.contains(error), "{refused}");
    }
    assert_eq!(read("#N/M is fine\n1\n").unwrap().values, [1.0]);
}

#[test]
fn what_is_no_text_is_refused_at_its_first_bytes() {
    // A sparse file of any length, and one line without an end.
    let zeros = parse(Path::new("a.csv"), io::repeat(0), &Budget::new(None)).unwrap_err().to_string();
    assert!(zeros.contains("zero bytes"), "{zeros}");
    let line = parse(Path::new("a.csv"), io::repeat(b'1'), &Budget::new(None)).unwrap_err().to_string();
    assert!(line.contains("no row ends"), "{line}");
    let rows = io::Read::chain(&b""[..], Rows(0));
    let many = parse(Path::new("a.csv"), rows, &Budget::new(Some(1 << 20))).unwrap_err().to_string();
    assert!(many.contains("of memory") && many.contains("fewer points"), "{many}");
}

/// Rows without end.
struct Rows(u8);

impl Read for Rows {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        for byte in buffer.iter_mut() {
            *byte = if self.0.is_multiple_of(2) { b'7' } else { b'\n' };
            self.0 ^= 1;
        }
        Ok(buffer.len())
    }
}

proptest! {
    /// Numbers in every spelling come back to the bit, whatever stands around them.
    #[test]
    fn identities_numbers_come_back(
        rows in prop::collection::vec(prop::collection::vec(any::<f64>().prop_filter("finite", |v| v.is_finite()), 3), 1..8),
        named in any::<bool>(),
        spelling in 0u8..3,
    ) {
        let mut text = String::from(if named { "a,b,c\n" } else { "" });
        for row in &rows {
            let cells: Vec<String> = row.iter().map(|v| match spelling {
                0 => format!("{v}"),
                1 => format!(" {v:e} "),
                _ => format!("\"{v:?}\""),
            }).collect();
            text += &(cells.join(",") + "\n");
        }
        let content = read(&text).unwrap();
        prop_assert_eq!(content.shape, vec![rows.len(), 3]);
        prop_assert_eq!(content.header.is_some(), named);
        let want: Vec<u64> = rows.concat().iter().map(|v| v.to_bits()).collect();
        let got: Vec<u64> = content.values.iter().map(|v| v.to_bits()).collect();
        prop_assert_eq!(got, want);
    }

    /// A cell of any text is a number, a name or an error on the first line, and a number or an error on the second:
    /// nothing is passed over that has a digit before any letter.
    #[test]
    fn no_cell_is_dropped_that_may_be_a_number(cell in "[0-9a-zA-Z.+\\-−#;$% _]{1,8}") {
        let digit_first = cell.chars().find(|c| c.is_alphanumeric()).is_none_or(|c| c.is_numeric());
        let comment = cell.starts_with('#');
        if let Ok(content) = read(&format!("{cell}\n5\n")) {
            let rows = content.values.len();
            prop_assert!(content.header.is_some() == (rows == 1 && !comment && !cell.trim().is_empty()));
            prop_assert!(!digit_first || rows == 2 || comment || cell.trim().is_empty(), "{} was dropped", cell);
        }
        if let Ok(content) = read(&format!("5\n{cell}\n")) {
            prop_assert!(comment || cell.trim().is_empty() || content.values.len() == 2, "{} was dropped", cell);
        }
    }
}
