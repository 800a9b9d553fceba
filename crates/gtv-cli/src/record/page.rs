//! docs/files.md: what the files of a run hold, from the table of [`gtv_study::record`].

use std::fmt::Write;

use super::{ARRAYS, Described, KEYS, SAMPLES, SWEEP_COLUMNS};

/// The head of the page.
const ABOUT: &str = "# Files of a run

Made from the table in `gtv-study` (`record/described.rs`) that tests hold against what runs write.

`gtv-cli compare` writes into its folder:

| file | contents |
|---|---|
| `report.html` | the report: one file, nothing fetched |
| `summary.json` | every number |
| `arrays.npz` | every array, float64 |
| `samples.npz` | every level's samples, with `--save-samples` |
| `config.toml` | the resolved config |
| `figures/NAME.svg`, `.png`, `.pdf` | each figure of the report |
| `figures/NAME.csv` | the numbers that it shows, in long form |
| `parts/` | unfinished work, from which the same command goes on; removed at the end |

Names in angle brackets stand for one of their kind. `<level>` is `points`, `data`, `pf_ode`, `mean_score`, `theory_<closure>`,
`gaussian_empirical` or `ensemble`; `<source>` is `ensemble` or `theory_<closure>`; `<closure>` is a name of `theory.closures`. M is the
number of data, D the dimension, N the number of models, y the prediction of the model (`model.prediction`), x in the units of the data.
";

/// The text of docs/files.md.
pub fn files_page() -> String {
    let mut page = ABOUT.to_owned();
    for (title, about, rows, second) in [
        ("arrays.npz", "", ARRAYS, "shape"),
        ("samples.npz", "", SAMPLES, "shape"),
        (
            "summary.json",
            "A dot steps into an object, `[]` into a list. Keys without numbers are left out.",
            KEYS,
            "value",
        ),
        (
            "sweep.csv",
            "One row a number of a cell (`gtv-cli sweep`, `gtv-cli merge`); `sweep.json` has the same numbers, by cell.",
            SWEEP_COLUMNS,
            "value",
        ),
    ] {
        // Writing into a string cannot fail.
        let _ = write!(page, "\n## {title}\n\n");
        if !about.is_empty() {
            let _ = write!(page, "{about}\n\n");
        }
        let _ = write!(page, "| name | {second} | unit | meaning |\n|---|---|---|---|\n");
        for Described { name, shape, unit, meaning } in rows {
            let _ = writeln!(page, "| `{name}` | {shape} | {unit} | {meaning} |");
        }
    }
    page
}
