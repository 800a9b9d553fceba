//! Claims about figures: each is the same picture in three formats, at its size, whatever the numbers are.

use std::path::Path;

use gtv_cli::plot::{
    ColorScale, Curve, Densities, DensityPanel, DistancePlot, Figure, HeatPanel, Heatmaps, ImageGrid,
    ImageRow, Key, LinePanel, LineSeries, Lines, MetricPanel, Role, Scatter, ScatterPanel, Sheet, Spacing,
};
use gtv_cli::record::Estimate;
use gtv_theory::closure::Role as Closure;

/// Checks the files of a figure, for a paper and for the screen, and returns the texts of the latter's SVG.
fn drawn(figure: &impl Figure, stem: &Path) -> Vec<String> {
    let (width, _) = figure.size(Sheet::Paper);
    assert!(width <= 5.5 * 96.0 + 1e-9, "{} is {width} points wide", stem.display());
    drawn_on(Sheet::Paper, figure, &stem.with_file_name("paper"));
    drawn_on(Sheet::Screen, figure, stem)
}

fn drawn_on(sheet: Sheet, figure: &impl Figure, stem: &Path) -> Vec<String> {
    let returned = figure.draw(stem, sheet, "what <it> shows").unwrap();
    assert_eq!(returned, figure.svg(Sheet::Screen, "what <it> shows").unwrap());
    let (width, height) = figure.size(sheet);
    let svg = std::fs::read_to_string(stem.with_extension("svg")).unwrap();
    assert_eq!(svg, figure.svg(sheet, "what <it> shows").unwrap());
    let document = roxmltree::Document::parse(&svg).unwrap();
    let root = document.root_element();
    assert_eq!(root.attribute("aria-label"), Some("what <it> shows"));
    let attribute = |name| root.attribute(name).unwrap().parse::<f64>().unwrap();
    assert_eq!((attribute("width"), attribute("height")), (width, height));
    assert!(!svg.contains("NaN") && !svg.contains("inf"), "a coordinate is not finite");
    let frame = (4.0 * width + 1.0, 4.0 * height + 1.0);
    for node in root.descendants() {
        for (x, y) in coordinates(node) {
            assert!(
                (-1.0..=frame.0).contains(&x) && (-1.0..=frame.1).contains(&y),
                "({x}, {y}) is off the page"
            );
        }
        if node.has_tag_name("text") {
            let (family, size) =
                (node.attribute("font-family").unwrap(), node.attribute("font-size").unwrap());
            match sheet {
                Sheet::Screen => assert!(family.ends_with("sans-serif"), "{family}"),
                Sheet::Paper => {
                    assert!(family.ends_with(", serif"), "{family}");
                    // 8 pt of 1/72 inch, in quarters of 1/96 inch, as plotters rounds it.
                    let em = 4.0 * 8.0 * 96.0 / 72.0;
                    assert!((size.parse::<f64>().unwrap() - em).abs() < 1.0, "{size}");
                }
            }
        }
    }

    let file = std::io::BufReader::new(std::fs::File::open(stem.with_extension("png")).unwrap());
    let mut reader = png::Decoder::new(file).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    assert_eq!((info.width, info.height), (2 * width.ceil() as u32, 2 * height.ceil() as u32));
    let inked = pixels.iter().filter(|&&v| v < 128).count();
    assert!(inked > 100, "the picture is empty");
    let pdf = std::fs::read(stem.with_extension("pdf")).unwrap();
    let has = |what: &[u8]| pdf.windows(what.len()).any(|w| w == what);
    assert!(pdf.starts_with(b"%PDF-") && pdf.ends_with(b"%%EOF"), "{} ends early", stem.display());
    assert!(has(format!("/MediaBox [0 0 {} {}]", 0.75 * width as f32, 0.75 * height as f32).as_bytes()));
    assert!(
        has(b"/FontFile2") && has(b"/ToUnicode"),
        "the typeface is embedded, and its texts can be searched"
    );
    assert!(!has(b"NaN") && !has(b"inf "));
    let numbers = figure.numbers();
    assert!(numbers.rows.iter().all(|row| row.len() == numbers.head.len()), "a row lacks a cell");
    root.descendants().filter(|n| n.is_text()).map(|n| n.text().unwrap().trim().to_owned()).collect()
}

/// Every point of an element, in fine units.
fn coordinates(node: roxmltree::Node<'_, '_>) -> Vec<(f64, f64)> {
    let number = |name: &str| node.attribute(name).and_then(|v| v.parse::<f64>().ok());
    let mut points: Vec<_> = [("x", "y"), ("x1", "y1"), ("x2", "y2"), ("cx", "cy")]
        .into_iter()
        .filter_map(|(x, y)| number(x).zip(number(y)))
        .collect();
    for pair in node.attribute("points").unwrap_or("").split_whitespace() {
        let (x, y) = pair.split_once(',').unwrap();
        points.push((x.parse().unwrap(), y.parse().unwrap()));
    }
    points
}

fn key(role: Role) -> Key {
    Key { label: format!("the {role:?}"), role }
}

fn densities(panels: usize, columns: usize) -> Densities {
    let x: Vec<f64> = (0..100).map(|i| -1.5 + 0.03 * f64::from(i)).collect();
    let bump = |width: f64| {
        x.iter().map(|x| (-x * x / (2.0 * width * width)).exp() / (2.5 * width)).collect::<Vec<_>>()
    };
    let scaled = |f: f64| bump(0.2).iter().map(|v| f * v).collect::<Vec<_>>();
    let curve = |role, width| Curve { key: key(role), density: bump(width), band: None };
    let ensemble = Curve { band: Some((scaled(0.7), scaled(1.2))), ..curve(Role::Ensemble, 0.2) };
    let theory = curve(Role::Closure(Closure::FiniteSample), 0.21);
    let curves = vec![curve(Role::Data, 0.01), curve(Role::TrueScore, 0.1), ensemble, theory];
    let panel =
        DensityPanel { title: "ε = 0.01, P = 64".into(), x: x.clone(), curves, data: vec![-1.0, 0.0, 1.0] };
    Densities { panels: vec![panel; panels], columns }
}

fn heatmaps(values: Vec<f64>, nx: usize, ny: usize, panels: usize) -> Heatmaps {
    let panel = HeatPanel {
        title: "t = 0.1".into(),
        values,
        nx,
        ny,
        x: (-2.0, 2.0),
        y: (-2.0, 2.0),
        points: vec![[0.0, 1.0], [9.0, 9.0]],
        ..HeatPanel::default()
    };
    Heatmaps {
        panels: vec![panel; panels],
        columns: panels.min(5),
        x_label: "x₁".into(),
        y_label: "x₂".into(),
        scales: vec![ColorScale::new("tr C / (tr C + ‖s‖²)", None)],
        square: true,
        ..Heatmaps::default()
    }
}

fn distances(estimates: Vec<Option<Estimate>>, panels: usize) -> DistancePlot {
    let row = |i: usize| Key {
        label: format!("level {i}"),
        role: [Role::TrueScore, Role::Closure(Closure::Limit)][i % 2],
    };
    DistancePlot {
        rows: (0..estimates.len()).map(row).collect(),
        panels: vec![MetricPanel { label: "W₁ (units of x)".into(), estimates }; panels],
        confidence: 0.95,
    }
}

fn scatter(pairs: Vec<(f64, f64)>, panels: usize) -> Scatter {
    let panel = ScatterPanel { key: key(Role::Closure(Closure::LeadingOrder)), pairs };
    Scatter { panels: vec![panel; panels], x_label: "ensemble".into(), y_label: "theory".into() }
}

fn images(samples: Vec<f64>, nearest: Vec<f64>) -> ImageGrid {
    let row = ImageRow { label: "ensemble".into(), samples, nearest };
    ImageGrid { rows: vec![row.clone(), row], shape: [8, 8] }
}

#[test]
fn identities_every_kind_of_figure_is_three_valid_files() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let estimate = |value: f64| {
        let ends = (Some(0.9 * value), Some(1.2 * value));
        Some(Estimate { value, lo: ends.0, hi: ends.1, floor: Some(0.002) })
    };

    let texts = drawn(&densities(1, 1), &at("one"));
    for text in ["the Data", "the TrueScore", "the Closure(FiniteSample)", "density (1/units of x)", "x₀"] {
        assert!(texts.iter().any(|t| t == text), "{text} is missing from {texts:?}");
    }
    assert!(
        texts.iter().any(|t| t.starts_with("to 4")),
        "the cut peak's height (40) is missing from {texts:?}"
    );
    drawn(&densities(15, 5), &at("fig2"));

    let map = (0..100 * 100).map(|i| (f64::from(i) * 0.01).sin().powi(2)).collect();
    let texts = drawn(&heatmaps(map, 100, 100, 20), &at("fig1"));
    assert_eq!(texts.iter().filter(|t| *t == "t = 0.1").count(), 20);
    assert!(texts.iter().any(|t| t == "tr C / (tr C + ‖s‖²)"));

    let texts = drawn(&distances(vec![estimate(0.3), None, estimate(0.01)], 4), &at("distances"));
    assert!(texts.iter().any(|t| t == "level 2") && texts.iter().any(|t| t == "W₁ (units of x)"));

    let cloud = (1..200).map(|i| (1e-6 * f64::from(i * i), 1.1e-6 * f64::from(i * i))).collect();
    drawn(&scatter(cloud, 4), &at("scatter"));
    let pixels = |n: usize| (0..64 * n).map(|i| (i % 17) as f64).collect::<Vec<_>>();
    drawn(&images(pixels(12), pixels(12)), &at("images"));
}

#[test]
fn limits_degenerate_numbers_still_make_figures() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let nan = f64::NAN;

    drawn(&Densities::default(), &at("no-panels"));
    let flat = |x: Vec<f64>, y: Vec<f64>| DensityPanel {
        curves: vec![Curve { key: key(Role::Ensemble), density: y.clone(), band: Some((y.clone(), y)) }],
        x,
        ..DensityPanel::default()
    };
    for (i, panel) in [
        flat(vec![], vec![]),
        flat(vec![0.5], vec![1.0]),
        flat(vec![0.0, 1.0], vec![0.0, 0.0]),
        flat(vec![0.0, 1.0, 2.0], vec![nan, f64::INFINITY, 1.0]),
        flat(vec![0.0, 1.0], vec![1e-300, 1e300]),
    ]
    .into_iter()
    .enumerate()
    {
        drawn(&Densities { panels: vec![panel], columns: 3 }, &at(&format!("flat{i}")));
    }

    drawn(&Heatmaps::default(), &at("no-maps"));
    drawn(&heatmaps(vec![0.0; 4], 2, 2, 1), &at("zero"));
    drawn(&heatmaps(vec![nan; 4], 2, 2, 1), &at("undefined"));
    drawn(&heatmaps(vec![1.0], 1, 1, 2), &at("one-bin"));
    drawn(&heatmaps(vec![1.0; 3], 2, 2, 1), &at("wrong-size"));

    let estimate =
        |value, lo, hi, floor| Some(Estimate { value, lo: Some(lo), hi: Some(hi), floor: Some(floor) });
    drawn(&DistancePlot::default(), &at("no-distances"));
    drawn(&distances(vec![None], 1), &at("missing"));
    drawn(&distances(vec![estimate(0.0, 0.0, 0.0, 0.0)], 2), &at("equal"));
    drawn(
        &distances(vec![estimate(nan, nan, nan, nan), estimate(1.0, 1e-9, f64::INFINITY, 0.1)], 3),
        &at("infinite"),
    );

    drawn(&distances(vec![Some(0.3.into()), estimate(0.4, 0.3, 0.5, nan)], 2), &at("no-intervals"));

    drawn(&Scatter::default(), &at("no-pairs"));
    drawn(&scatter(vec![(0.0, 0.0), (nan, 1.0), (-1.0, 2.0)], 1), &at("not-positive"));
    drawn(&scatter(vec![(1.0, 1.0)], 1), &at("one-pair"));

    drawn(&ImageGrid::default(), &at("no-images"));
    drawn(&images(vec![0.0; 64], vec![]), &at("no-nearest"));
    drawn(&images(vec![nan; 128], vec![3.0; 100]), &at("short-nearest"));
}

#[test]
fn identities_a_figure_is_drawn_the_same_twice() {
    let (figure, dir) = (densities(2, 2), tempfile::tempdir().unwrap());
    for name in ["one", "two"] {
        drawn(&figure, &dir.path().join(name));
    }
    let bytes = |file: &str| std::fs::read(dir.path().join(file)).unwrap();
    assert_eq!(bytes("one.svg"), bytes("two.svg"));
    assert_eq!(bytes("one.png"), bytes("two.png"));
}

fn lines(values: &[(f64, f64, f64, f64)], floor: &[(f64, f64)], panels: usize, spacing: Spacing) -> Lines {
    let point = |&(x, value, lo, hi): &(f64, f64, f64, f64)| {
        (x, Estimate { value, lo: Some(lo), hi: Some(hi), floor: None })
    };
    let series = |role| LineSeries { key: key(role), points: values.iter().map(point).collect() };
    let panel = LinePanel {
        title: "model.ridge = 0.1".into(),
        series: [Role::MeanScore, Role::Closure(Closure::LeadingOrder), Role::Closure(Closure::FiniteSample)]
            .map(series)
            .to_vec(),
        floor: floor.to_vec(),
    };
    Lines {
        panels: vec![panel; panels],
        x_label: "model.samples".into(),
        y_label: "W₁ (units of x)".into(),
        spacing,
        reference: None,
    }
}

#[test]
fn identities_lines_show_every_swept_value() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let points = [(64.0, 0.2, 0.15, 0.26), (256.0, 0.1, 0.08, 0.13), (1024.0, 0.01, 0.008, 0.013)];
    let floor = [(64.0, 0.02), (256.0, 0.01), (1024.0, 0.005)];
    for panels in [1, 2, 4, 7] {
        let texts = drawn(&lines(&points, &floor, panels, Spacing::Log), &at(&format!("log{panels}")));
        for text in
            ["64", "256", "1024", "W₁ (units of x)", "the MeanScore", "floor: the same for equal laws"]
        {
            assert!(texts.iter().any(|t| t == text), "{text} is missing from {texts:?}");
        }
    }
    let named = Spacing::Names(vec!["gaussian".into(), "fourier".into()]);
    let texts = drawn(&lines(&[(0.0, 1.0, 0.9, 1.1), (1.0, 2.0, 1.9, 2.2)], &[], 1, named), &at("names"));
    assert!(texts.iter().any(|t| t == "fourier"));
    let ratio = Lines { reference: Some(1.0), ..lines(&points, &[], 1, Spacing::Linear) };
    drawn(&ratio, &at("ratio"));
}

#[test]
fn limits_lines_without_numbers_are_drawn_too() {
    let dir = tempfile::tempdir().unwrap();
    let nan = f64::NAN;
    drawn(&Lines::default(), &dir.path().join("none"));
    for (i, points) in [
        vec![],
        vec![(1.0, nan, nan, nan)],
        vec![(1.0, 0.0, nan, nan)],
        vec![(1.0, -1.0, -2.0, 0.0), (2.0, 1e9, nan, f64::INFINITY)],
        vec![(0.0, 1.0, 1.0, 1.0), (1e-12, 1e-9, 0.0, 1.0)],
    ]
    .into_iter()
    .enumerate()
    {
        for (j, spacing) in [Spacing::Linear, Spacing::Log, Spacing::Names(vec![])].into_iter().enumerate() {
            drawn(&lines(&points, &[(1.0, 0.1)], 3, spacing), &dir.path().join(format!("{i}-{j}")));
        }
    }
}
