use super::*;
use proptest::prelude::*;

/// An npy file of version 1 with the given header text and data.
fn npy(header: &str, data: &[u8]) -> Vec<u8> {
    let length = (header.len() + 1) as u16;
    [b"\x93NUMPY\x01\x00", &length.to_le_bytes()[..], header.as_bytes(), b"\n", data].concat()
}

fn header(descr: &str, fortran: &str, shape: &str) -> String {
    format!("{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}")
}

/// What a file holds, or why it is refused; the same with and without its length.
fn read(bytes: &[u8]) -> Result<(Vec<usize>, Vec<f64>), String> {
    let memory = Budget::new(None);
    let decoded = |length| {
        decode(Path::new("a.npy"), None, bytes, length, Numbers::Finite, &memory)
            .map(|content| (content.shape, content.values))
            .map_err(|e| e.to_string())
    };
    let (known, piped) = (decoded(Some(bytes.len() as u64)), decoded(None));
    assert_eq!(known.is_ok(), piped.is_ok(), "{known:?} {piped:?}");
    known
}

#[test]
fn oracle_fortran_order_is_transposed() {
    let columns: Vec<u8> = [1.0f32, 3.0, 5.0, 2.0, 4.0, 6.0].iter().flat_map(|v| v.to_le_bytes()).collect();
    let file = npy(&header("'<f4'", "True", "(3, 2)"), &columns);
    assert_eq!(read(&file), Ok((vec![3, 2], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0])));
}

#[test]
fn every_numeric_type_is_read_in_both_byte_orders() {
    let one = |descr: &str, bytes: &[u8]| read(&npy(&header(&format!("'{descr}'"), "False", "(1,)"), bytes));
    let minus_two = Ok((vec![1], vec![-2.0]));
    assert_eq!(one("<f8", &(-2.0f64).to_le_bytes()), minus_two);
    assert_eq!(one(">f4", &(-2.0f32).to_be_bytes()), minus_two);
    assert_eq!(one(">i8", &(-2i64).to_be_bytes()), minus_two);
    assert_eq!(one("<i4", &(-2i32).to_le_bytes()), minus_two);
    assert_eq!(one("<i2", &(-2i16).to_le_bytes()), minus_two);
    assert_eq!(one("|i1", &(-2i8).to_le_bytes()), minus_two);
    assert_eq!(one("|u1", &[200]), Ok((vec![1], vec![200.0])));
    assert_eq!(one("<u2", &[0, 1]), Ok((vec![1], vec![256.0])));
    assert_eq!(one(">u4", &[0, 0, 1, 0]), Ok((vec![1], vec![256.0])));
    assert_eq!(one("<u8", &256u64.to_le_bytes()), Ok((vec![1], vec![256.0])));
    for other in ["|b1", "<f2", "<c16", "|O", "<U4", "<M8[s]"] {
        assert!(one(other, &[0; 16]).is_err_and(|e| e.contains("astype")), "{other}");
    }
}

#[test]
fn every_header_that_numpy_reads_is_read() {
    let data: Vec<u8> = [1.0f64, 2.0].iter().flat_map(|v| v.to_ne_bytes()).collect();
    let right = Ok((vec![2, 1], vec![1.0, 2.0]));
    for text in [
        header("'=f8'", "False", "(2, 1)"),
        header("'f8'", "False", "(2, 1)"),
        header("\"f8\"", "False", "( 2 ,1, )"),
        header("'=f8'", "False", "(2L, 1L)"),
        "{'shape':(2,1),'fortran_order':True,'descr':'=f8'}".to_owned(),
    ] {
        assert_eq!(read(&npy(&text, &data)), right, "{text}");
        // Versions 2 and 3 have a longer length field; bytes after the array are nobody's.
        for version in [2, 3] {
            let mut file = b"\x93NUMPY".to_vec();
            file.extend([version, 0]);
            file.extend((text.len() as u32).to_le_bytes());
            file.extend(text.bytes());
            file.extend(&data);
            file.extend([7; 11]);
            assert_eq!(read(&file), right, "version {version}: {text}");
        }
    }
}

#[test]
fn refusals_are_one_line_with_advice_that_works() {
    for (descr, advice) in [
        ("[('x', '<f8'), ('y', '<f8')]", "structured_to_unstructured(a)"),
        ("'|V16'", "structured_to_unstructured"),
        ("'<c16'", "a.real"),
        ("'|O'", "every entry is a number"),
    ] {
        let refused = read(&npy(&header(descr, "False", "(3,)"), &[0; 48])).unwrap_err();
        assert!(refused.contains(advice), "{refused}");
    }
    for text in [
        "",
        "{",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (-3,)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (np.int64(3),)}",
        "{'descr': '<f8', 'fortran_order': 0, 'shape': (3,)}",
        "{'descr': '<f8', 'fortran_order': False}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999999999999,)}",
        &format!("{{'descr': {}", "(".repeat(60_000)),
        &"\n\n".repeat(3000),
        &format!("{{'{}': 1}}", "x".repeat(3000)),
    ] {
        let refused = read(&npy(text, &[0; 24])).unwrap_err();
        assert!(!refused.contains('\n') && refused.len() < 250, "{refused}");
        assert!(refused.contains("numpy.save"), "{refused}");
    }
    let refused = read(&npy(&header("'<f8'", "False", "(3, 4)"), &[0; 24])).unwrap_err();
    assert!(refused.contains("[3, 4]") && refused.contains("24 bytes") && refused.contains("truncated"));
}

#[test]
fn the_first_value_that_is_not_finite_is_placed() {
    let data: Vec<u8> = [1.0, 2.0, 3.0, 4.0, f64::NAN, 6.0].iter().flat_map(|v| v.to_le_bytes()).collect();
    for (fortran, place) in [("False", "index [1, 1]"), ("True", "index [0, 2]")] {
        let refused = read(&npy(&header("'<f8'", fortran, "(2, 3)"), &data)).unwrap_err();
        assert!(refused.contains("NaN") && refused.contains(place), "{refused}");
    }
}

/// Types of the values, and how a whole number from −100 to 100 (0 to 100 without a sign) is stored in each.
fn stored(value: i8, element: usize, big: bool) -> (&'static str, Vec<u8>, f64) {
    let (v, u) = (value, value.unsigned_abs());
    let (name, mut bytes, signed) = match element {
        0 => ("f8", f64::from(v).to_le_bytes().to_vec(), true),
        1 => ("f4", f32::from(v).to_le_bytes().to_vec(), true),
        2 => ("i8", i64::from(v).to_le_bytes().to_vec(), true),
        3 => ("i4", i32::from(v).to_le_bytes().to_vec(), true),
        4 => ("i2", i16::from(v).to_le_bytes().to_vec(), true),
        5 => ("i1", v.to_le_bytes().to_vec(), true),
        6 => ("u8", u64::from(u).to_le_bytes().to_vec(), false),
        7 => ("u4", u32::from(u).to_le_bytes().to_vec(), false),
        8 => ("u2", u16::from(u).to_le_bytes().to_vec(), false),
        _ => ("u1", vec![u], false),
    };
    if big {
        bytes.reverse();
    }
    (name, bytes, if signed { f64::from(v) } else { f64::from(u) })
}

proptest! {
    /// Any shape, type, byte order and memory order against indexing by hand.
    #[test]
    fn oracle_arrays_of_every_shape_and_type(
        shape in prop::collection::vec(0usize..5, 0..5),
        seed in any::<u64>(),
        element in 0usize..10,
        big in any::<bool>(),
        fortran in any::<bool>(),
        tail in 0usize..9,
    ) {
        let count: usize = shape.iter().product();
        let value = |flat: usize| {
            (seed.wrapping_mul(flat as u64 + 1).rotate_left(23) % 201) as i64 - 100
        };
        let (name, ..) = stored(0, element, big);
        let mut data = Vec::new();
        let mut want = vec![0.0; count];
        for flat in 0..count {
            let (_, bytes, number) = stored(value(flat) as i8, element, big);
            data.extend(bytes);
            // Where the value that comes after `flat` others in the file stands in the array.
            let (mut rest, mut at) = (flat, vec![0; shape.len()]);
            let axes: Vec<usize> =
                if fortran { (0..shape.len()).collect() } else { (0..shape.len()).rev().collect() };
            for axis in axes {
                at[axis] = rest % shape[axis];
                rest /= shape[axis];
            }
            want[at.iter().zip(&shape).fold(0, |sum, (i, n)| sum * n + i)] = number;
        }
        data.extend(std::iter::repeat_n(0, tail));
        let axes: String = shape.iter().map(|n| format!("{n},")).collect();
        let order = if big { '>' } else { '<' };
        let text = header(&format!("'{order}{name}'"), if fortran { "True" } else { "False" }, &format!("({axes})"));
        prop_assert_eq!(read(&npy(&text, &data)), Ok((shape, want)));
    }

    #[test]
    fn no_bytes_make_the_reader_panic_or_write_more_than_a_line(
        header in "\\{'descr': '[<>|=]?[fiubcOVU][1248]', 'fortran_order': (True|False), 'shape': \\([0-9]{0,19}L?,( [0-9]{1,19})?\\)\\}",
        data in prop::collection::vec(any::<u8>(), 0..64),
        cut in 0usize..200,
        flip in (0usize..200, any::<u8>()),
    ) {
        let mut file = npy(&header, &data);
        let at = flip.0.min(file.len() - 1);
        let mut all = vec![file.clone(), file[..cut.min(file.len())].to_vec(), data];
        file[at] ^= flip.1;
        all.push(file);
        for bytes in all {
            let line = read(&bytes).err().unwrap_or_default();
            prop_assert!(!line.contains('\n'), "{}", line);
        }
    }
}
