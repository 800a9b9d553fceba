//! Members as ONNX files, `ensemble.kind = "onnx"`: the round trip of a linear ensemble, a network of PyTorch, files that cannot be.

use gtv_cli::config::ONNX;
use gtv_tests::onnx::{Axis, Graph, Kind};
use gtv_tests::{Bench, SMALL};
use serde_json::Value;

const MEMBERS: usize = 6;

fn bench() -> Bench {
    Bench::new(env!("CARGO_BIN_EXE_gtv-cli-under-test")).with_small()
}

/// x and t of float64, for any n.
fn inputs() -> Graph {
    let (n, one) = (Axis::Free("n"), Axis::Fixed(1));
    Graph::default().input("x", Kind::Double, &[n, one]).input("t", Kind::Double, &[n])
}

/// `value` in eight normal densities between `lo` and `hi`, as `name`: the config's features on an axis.
fn densities(graph: Graph, value: &str, [lo, hi]: [f64; 2], name: &str) -> Graph {
    let spacing = (hi - lo) / 7.0;
    let centres: Vec<f64> = (0..8).map(|i| lo + spacing * f64::from(i)).collect();
    let (width, norm) = (0.5 * spacing, (2.0 * std::f64::consts::PI).sqrt() * 0.5 * spacing);
    let own = |part: &str| format!("{name}_{part}");
    let [centres_, width_, half, norm_] = ["centres", "width", "half", "norm"].map(own);
    let [off, z, squared, exponent, bell] = ["off", "z", "squared", "exponent", "bell"].map(own);
    graph
        .doubles(&centres_, &[8], &centres)
        .doubles(&width_, &[1], &[width])
        .doubles(&half, &[1], &[-0.5])
        .doubles(&norm_, &[1], &[norm])
        .node("Sub", &[value, &centres_], &off)
        .node("Div", &[&off, &width_], &z)
        .node("Mul", &[&z, &z], &squared)
        .node("Mul", &[&squared, &half], &exponent)
        .node("Exp", &[&exponent], &bell)
        .node("Div", &[&bell, &norm_], name)
}

/// A member of a linear run as a graph: products of densities in x and t, times the weights of its file.
fn exported(safetensors: &[u8]) -> Vec<u8> {
    let header = u64::from_le_bytes(safetensors[..8].try_into().unwrap()) as usize;
    let weights: Vec<f64> =
        safetensors[8 + header..].as_chunks::<8>().0.iter().map(|v| f64::from_le_bytes(*v)).collect();
    let graph = inputs().integers("last", &[1]).node("Unsqueeze", &["t", "last"], "t_column");
    let graph = densities(graph, "x", [-1.5, 1.5], "in_x");
    densities(graph, "t_column", [0.01, 1.0], "in_t")
        .integers("third", &[2])
        .integers("flat", &[-1, 64])
        .doubles("weights", &[64, 1], &weights)
        .node("Unsqueeze", &["in_x", "third"], "rows")
        .node("Unsqueeze", &["in_t", "last"], "columns")
        .node("Mul", &["rows", "columns"], "products")
        .node("Reshape", &["products", "flat"], "features")
        .node("MatMul", &["features", "weights"], "y")
        .output("y", Kind::Double, &[Axis::Free("rows of y"), Axis::Fixed(1)])
        .file()
}

/// Every number of `own` that `again` has too is the same to `tolerance`, relative to the larger of its size and 1; how many there are.
/// Models of the law `gaussian_empirical` are drawn anew: linear members draw weights, functions draw values.
fn agree(own: &Value, again: &Value, tolerance: f64, place: &str) -> usize {
    match (own, again) {
        (Value::Object(own), Value::Object(again)) => {
            let both = own.iter().filter(|(key, _)| *key != "gaussian_empirical");
            let both = both.filter_map(|(key, value)| Some((key, value, again.get(key)?)));
            both.map(|(key, a, b)| agree(a, b, tolerance, &format!("{place}.{key}"))).sum()
        }
        (Value::Array(own), Value::Array(again)) => {
            assert_eq!(own.len(), again.len(), "{place}");
            own.iter().zip(again).map(|(a, b)| agree(a, b, tolerance, place)).sum()
        }
        (Value::Number(own), Value::Number(again)) => {
            let (a, b) = (own.as_f64().unwrap(), again.as_f64().unwrap());
            assert!((a - b).abs() <= tolerance * a.abs().max(1.0), "{place}: {a} and {b}");
            1
        }
        (own, again) => {
            assert_eq!(own, again, "{place}");
            0
        }
    }
}

/// The distances without their intervals and floors.
fn values(summary: &Value) -> Value {
    let mut distances = summary["distances"].clone();
    for others in distances.as_object_mut().unwrap().values_mut() {
        for metrics in others.as_object_mut().unwrap().values_mut() {
            metrics.as_object_mut().unwrap().values_mut().for_each(|found| *found = found["value"].clone());
        }
    }
    distances
}

#[test]
fn a_linear_ensemble_taken_out_as_onnx_is_compared_and_sampled_as_before() {
    if !ONNX {
        return;
    }
    let bench = bench();
    bench.line("compare small.toml --out own").done();
    bench.line("train small.toml --out run").done();
    std::fs::create_dir(bench.path("members")).unwrap();
    let files = bench.path("run").join("members");
    for member in 0..MEMBERS {
        let found = std::fs::read(files.join(format!("member-{member:05}.safetensors"))).unwrap();
        bench.file(&format!("members/{member}.onnx"), exported(&found));
    }
    bench.file(
        "onnx.toml",
        SMALL.replace("members = 6", "kind = \"onnx\"\npath = \"members/*.onnx\"\nprediction = \"denoiser\""),
    );
    bench.line("compare onnx.toml --out again").done();
    let [own, again] = ["own", "again"].map(|run| bench.summary(run));
    assert_eq!(again["outside"]["members"], MEMBERS);
    assert_eq!(again["outside"]["anywhere"], true);
    for part in ["kernel", "load", "quadrature"] {
        agree(&own[part], &again[part], 1e-9, part);
    }
    // The same seed starts the same paths: nothing is left to chance, but what two programs round differently grows along a path.
    // Intervals and floors are of cells that all levels' samples share, the one that is drawn anew too.
    assert!(agree(&values(&own), &values(&again), 1e-6, "distances") > 20);
    let drawn = |s: &Value| {
        let w1 = &s["distances"]["pf_ode"]["gaussian_empirical"]["w1"];
        ["lo", "hi"].map(|end| w1[end].as_f64().unwrap())
    };
    let ([lo, hi], [other_lo, other_hi]) = (drawn(&own), drawn(&again));
    assert!(lo < other_hi && other_lo < hi, "[{lo}, {hi}] and [{other_lo}, {other_hi}]");
}

#[test]
fn files_that_cannot_be_members_are_refused_by_name() {
    let bench = bench();
    let refused = |file: &str, parts: &[&str]| {
        let run = bench.line(&format!("compare small.toml --ensemble {file} --out run"));
        run.refused(2, parts);
        assert!(!bench.path("run").exists(), "nothing is begun");
    };
    let (n, one, y) = (Axis::Free("n"), Axis::Fixed(1), [Axis::Free("n"), Axis::Fixed(1)]);
    let fine = inputs().node("Exp", &["x"], "y").output("y", Kind::Double, &y).file();
    bench.file("fine.onnx", &fine);
    if !ONNX {
        refused("fine.onnx", &["ensemble.kind", "cargo install", "--features onnx"]);
        return;
    }
    refused("missing.onnx", &["missing.onnx", "no such file"]);
    refused("none/*.onnx", &["none/*.onnx", "no file"]);
    bench.file("text.onnx", "import torch");
    refused("text.onnx", &["text.onnx", "not an ONNX file", "torch.onnx.export"]);
    let wrong = |name: &str, graph: Graph, parts: &[&str]| {
        bench.file(name, graph.file());
        refused(name, &[&[name], parts].concat());
    };
    let double = Kind::Double;
    let noise = Graph::default().input("sample", double, &[n, one]).input("t", double, &[n]);
    wrong(
        "names.onnx",
        noise.node("Exp", &["sample"], "y").output("y", double, &y),
        &["`sample`", "input_names"],
    );
    let alone = Graph::default().input("x", double, &[n, one]);
    wrong("alone.onnx", alone.node("Exp", &["x"], "y").output("y", double, &y), &["`x`", "`t` (n)"]);
    let wide = Graph::default().input("x", double, &[n, Axis::Fixed(2)]).input("t", double, &[n]);
    wrong(
        "wide.onnx",
        wide.node("Exp", &["x"], "y").output("y", double, &y),
        &["`x`", "(n, 1)", "dimension"],
    );
    let fixed = Graph::default().input("x", double, &[one, one]).input("t", double, &[one]);
    wrong("fixed.onnx", fixed.node("Exp", &["x"], "y").output("y", double, &y), &["`x`", "dynamic_axes"]);
    let whole = Graph::default().input("x", Kind::Int64, &[n, one]).input("t", double, &[n]);
    wrong("whole.onnx", whole.node("Abs", &["x"], "y").output("y", Kind::Int64, &y), &["`x`", "float32"]);
    wrong(
        "operator.onnx",
        inputs().node("Frobnicate", &["x"], "y").output("y", double, &y),
        &["`Frobnicate`", "tract"],
    );
    wrong("nothing.onnx", inputs().node("Exp", &["x"], "y").output("z", double, &y), &["`z`"]);
    let product = inputs().doubles("twice", &[1, 2], &[1.0, 1.0]).node("Mul", &["x", "twice"], "y");
    wrong("answer.onnx", product.output("y", double, &y), &["[1, 2]", "expected (1, 1)"]);
    let undefined = inputs().node("Sub", &["x", "x"], "zero").node("Div", &["zero", "zero"], "y");
    wrong("nan.onnx", undefined.output("y", double, &y), &["NaN", "x = [", "t = 0.01"]);
    let path_by_path =
        bench.line("compare small.toml --ensemble fine.onnx --set sampling.integrator=dopri5 --out run");
    path_by_path.refused(2, &["sampling.integrator", "heun"]);
    bench
        .line("train small.toml --set ensemble.kind=onnx --set ensemble.path=fine.onnx")
        .refused(2, &["ensemble.kind"]);
}
