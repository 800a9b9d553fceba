//! What every array and every number of a comparison is: the one table behind docs/files.md, held against what runs write.

/// What a name of an array, a key or a column stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Described {
    /// The name; parts in angle brackets stand for any one of their kind.
    pub name: &'static str,
    /// Its shape, or its kind of value.
    pub shape: &'static str,
    /// Its unit; empty for a pure number.
    pub unit: &'static str,
    /// What it is.
    pub meaning: &'static str,
}

impl Described {
    /// Whether a name is one of those that it stands for.
    pub fn covers(&self, name: &str) -> bool {
        covers(self.name, name)
    }
}

/// A part in angle brackets is any text without a dot, and not empty.
fn covers(pattern: &str, name: &str) -> bool {
    let Some((literal, rest)) = pattern.split_once('<') else { return pattern == name };
    let Some(left) = name.strip_prefix(literal) else { return false };
    let after = rest.split_once('>').map_or("", |(_, after)| after);
    let ends = left.char_indices().map(|(i, c)| i + c.len_utf8());
    ends.take_while(|end| !left[..*end].contains('.')).any(|end| covers(after, &left[end..]))
}

const fn row(
    name: &'static str,
    shape: &'static str,
    unit: &'static str,
    meaning: &'static str,
) -> Described {
    Described { name, shape, unit, meaning }
}

/// `arrays.npz`.
pub static ARRAYS: &[Described] = &[
    row("x_edges", "bins + 1", "x", "edges of the bins along the first coordinate (one and two dimensions)"),
    row("y_edges", "bins + 1", "x", "edges of the bins along the second coordinate (two dimensions)"),
    row(
        "<level>_density",
        "bins or bins × bins",
        "1/x^D",
        "density of x₀, the mean over models; the first axis is the first coordinate",
    ),
    row(
        "uncertainty_map",
        "(T, X)",
        "",
        "standard deviation between trainings of σ ŝ that one run predicts, over `map_t` and `map_x` (`gtv-cli bands`)",
    ),
    row("<level>_q25", "as the density", "1/x^D", "lower quartile over models of the density in each bin"),
    row("<level>_q75", "as the density", "1/x^D", "upper quartile over models"),
    row("data", "M or M × D", "x", "the data, where there are at most 256 (one and two dimensions)"),
    row("history_t", "times", "t", "times of the reverse process, from T down to ε"),
    row(
        "history_x",
        "bins + 1",
        "x",
        "edges of the bins of `<level>_history`, the same along each coordinate",
    ),
    row(
        "<level>_history",
        "times × bins (× bins)",
        "1/x^D",
        "density of the states x at these times; of `data` it is p(x | t) at the middles of the bins, exactly",
    ),
    row(
        "probe_x",
        "probes × D",
        "x",
        "points of the training distribution ρ at which predictions are compared",
    ),
    row("probe_t", "probes", "t", "their times"),
    row("<source>_mean", "probes × D", "y", "mean over models of the prediction y there"),
    row("<source>_var", "probes", "y²", "tr Var y over models there"),
    row("map_x", "positions", "x", "positions of the maps over (x, t) (one dimension)"),
    row("map_t", "times", "t", "times of the maps over (x, t)"),
    row("<source>_var_map", "times × positions", "y²", "V at equal points: Var y over models"),
    row("proxy_cov_map", "times × positions", "y²", "C: Var[y | x, t] of the label"),
    row("skewness_map", "times × positions", "", "skewness over models of the learned score"),
    row("kurtosis_map", "times × positions", "", "excess kurtosis over models of the learned score"),
    row("plane_x", "nx", "x", "first coordinates of the maps over the plane (two dimensions)"),
    row("plane_y", "ny", "x", "their second coordinates"),
    row("plane_t", "times", "t", "their times"),
    row("<source>_var_plane", "times × nx × ny", "y²", "V at equal points: tr Var y over models"),
    row("proxy_cov_plane", "times × nx × ny", "y²", "C: tr Var[y | x, t] of the label"),
    row(
        "skewness_plane",
        "times × nx × ny",
        "",
        "skewness over models of the learned score, mean over coordinates",
    ),
    row("kurtosis_plane", "times × nx × ny", "", "its excess kurtosis"),
    row(
        "corr_x",
        "K or K × D",
        "x",
        "where correlations in time are taken: a datum, and the middle between it and its nearest neighbour",
    ),
    row("corr_t", "T", "t", "times between which they are taken"),
    row("<source>_time_corr", "K × T × T", "", "correlation over models of y(x, t) and y(x, t′)"),
    row("path_x", "K × T × D", "x", "states along sampling paths of the true score"),
    row("path_t", "T", "t", "times along them"),
    row("<source>_var_path", "K × T", "y²", "tr Var y over models along them"),
    row("<source>_path_corr", "K × T × T", "", "correlation over models of y at two states of a path"),
    row("pair_x", "X", "x", "positions of the pairs of points (one dimension)"),
    row("pair_t", "T", "t", "times of the pairs of points"),
    row(
        "<source>_pair_corr",
        "T·X × T·X",
        "",
        "correlation over models of y at two points (x, t); the i-th point is time i / X, position i mod X",
    ),
    row("samples_<level>", "k × D", "x", "some samples, where a datum is an image"),
    row("nearest_<level>", "k × D", "x", "the datum nearest to each"),
    row(
        "principal_axes",
        "axes × D",
        "",
        "first principal axes of the data, unit vectors (above two dimensions)",
    ),
    row("projected_points", "k × axes", "x", "data on these axes, from their mean"),
    row("projected_<level>", "k × axes", "x", "samples on these axes"),
];

/// `samples.npz`, which `compare --save-samples` writes.
pub static SAMPLES: &[Described] = &[row(
    "<level>",
    "models × paths × D",
    "x",
    "x₀ of every path of every model, one model where a level's field is not random; NaN at the end of a model some of whose paths did not arrive. Each model counts alike in every distance",
)];

/// `summary.json`, leaf by leaf: a dot steps into an object, `[]` into a list.
pub static KEYS: &[Described] = &[
    row("schema", "integer", "", "version of this layout"),
    row("version", "text", "", "version of the program"),
    row("commit", "text", "", "commit that it was built from, where that is known"),
    row("seed", "integer", "", "what every random number derives from"),
    row("device", "text", "", "device that the ensemble was trained on"),
    row("command[]", "text", "", "words of the command line"),
    row("finished", "text", "", "when it was finished, in UTC (RFC 3339)"),
    row(
        "fingerprint",
        "text",
        "",
        "SHA-256 of all that determines the numbers: resolved config, data, version",
    ),
    row("config", "object", "", "the resolved config ([config.md](config.md))"),
    row("dimension", "integer", "", "D"),
    row("data_points", "integer", "", "M; 0 where that was not saved"),
    row("load", "number", "", "F/P, features for each training sample"),
    row("confidence", "number", "", "coverage that every interval aims at"),
    row("image_shape[]", "integer", "pixels", "height and width, where a datum is an image"),
    row(
        "outside.<part>",
        "integer or true/false",
        "",
        "what is known of members from outside: `members`, `samples` of each, `points` at which predictions are known, `anywhere`",
    ),
    row(
        "outside.features.<part>",
        "number",
        "",
        "features of a user's own that the theory predicts from: `points` at which they are known, `features` that are left, `missed` share of their kernel's trace",
    ),
    row(
        "outside.missing.<part>",
        "text",
        "",
        "a part of the comparison that there is too little for, with what it needs",
    ),
    row(
        "distances.<level>.<level>.<metric>.value",
        "number",
        "x; nats for kl and js",
        "distance between two levels; metrics are those of `compare.metrics`",
    ),
    row(
        "distances.<level>.<level>.<metric>.lo",
        "number or null",
        "as the value",
        "lower end of its bootstrap interval over models; null with fewer than five",
    ),
    row("distances.<level>.<level>.<metric>.hi", "number or null", "as the value", "upper end"),
    row(
        "distances.<level>.<level>.<metric>.floor",
        "number",
        "as the value",
        "the same statistic between two ensembles of these sizes with one law",
    ),
    row("kernel.<closure>.mean_error", "number", "", "‖E y_theory − E y_ensemble‖ / ‖E y_ensemble‖ in L²(ρ)"),
    row(
        "kernel.<closure>.mean_error_floor",
        "number",
        "",
        "what a perfect theory would show against this many models",
    ),
    row("kernel.<closure>.variance_ratio", "number", "", "E_ρ tr Var_theory y / E_ρ tr Var_ensemble y"),
    row("kernel.<closure>.variance_ratio_se", "number", "", "its standard error over models"),
    row("kernel.<closure>.correlation", "number", "", "correlation over ρ of the two variance maps"),
    row("mean_score_closure", "text", "", "closure whose mean score makes the level `mean_score`"),
    row("gaussianity.models", "integer", "", "N"),
    row("gaussianity.probes", "integer", "", "pairs of probe and coordinate"),
    row(
        "gaussianity.<cumulant>.mean",
        "number",
        "",
        "mean over probes, weighted by the ensemble's variance; cumulants are `skewness` and `excess_kurtosis` of the learned score",
    ),
    row("gaussianity.<cumulant>.median_abs", "number", "", "median over probes of the size"),
    row("gaussianity.<cumulant>.max_abs", "number", "", "largest size"),
    row(
        "gaussianity.<cumulant>.standard_error",
        "number",
        "",
        "standard error at one probe, were the score Gaussian",
    ),
    row("gaussianity.<cumulant>.share_beyond_two_se", "number", "", "share of probes beyond two of them"),
    row(
        "variance_sources.<source>.measured.value",
        "number",
        "y²",
        "E_ρ tr Var y that the source gives; sources are `label-noise`, `placement`, `points`, `data`, `init`, `interaction` and their sum, `total`",
    ),
    row("variance_sources.<source>.measured.lo", "number or null", "y²", "lower end of its interval"),
    row("variance_sources.<source>.measured.hi", "number or null", "y²", "upper end"),
    row("variance_sources.<source>.predicted.<closure>", "number", "y²", "what a closure predicts"),
    row("levels.<level>.samples", "integer", "", "samples, over all models"),
    row("levels.<level>.models", "integer", "", "models they come from; 1 for a level that is not random"),
    row(
        "levels.<level>.diverged",
        "integer",
        "",
        "paths that left the finite numbers, left out of everything else",
    ),
    row(
        "levels.<level>.exhausted",
        "integer",
        "",
        "paths given up after `sampling.max_steps` steps, left out alike",
    ),
    row(
        "levels.<level>.memorized_fraction.<part>",
        "number or null",
        "",
        "share of samples whose nearest datum is three times nearer than the second; parts here and below are `value`, `lo`, `hi`",
    ),
    row(
        "levels.<level>.nearest_distance.<part>",
        "number or null",
        "x",
        "mean distance to the nearest datum",
    ),
    row(
        "levels.<level>.near_radius",
        "number",
        "x",
        "distance from a datum within which a sample is near it",
    ),
    row("levels.<level>.mass_near[].<part>", "number or null", "", "share of samples near each datum"),
    row("levels.<level>.gap_mass.<part>", "number or null", "", "share of samples near none"),
    row(
        "levels.<level>.spread.mass_near[]",
        "number",
        "",
        "standard deviation over the level's models of the mass near each datum, without what their samples' number adds",
    ),
    row("levels.<level>.spread.gap_mass", "number", "", "the same of the mass near none"),
    row(
        "levels.<level>.spread.from_average",
        "number or null",
        "x",
        "mean distance of a model from the average of all: W₁ on a line, sliced W₂ beyond",
    ),
    row("levels.<level>.total_variance.<part>", "number or null", "x²", "tr Cov x₀"),
    row("levels.<level>.mean[]", "number", "x", "mean of x₀, D values"),
    row(
        "levels.<level>.covariance[]",
        "number",
        "x²",
        "covariance of x₀, D × D row by row; empty where D is large",
    ),
    row(
        "lazy.<part>",
        "number or null",
        "",
        "the kernel of infinitely wide networks: `time` τ (null: infinite), `modes` kept, `effective_features` Σ(1 − e^(−ζτ)), `truncation`",
    ),
    row("lazy.spectrum[]", "number", "", "ζ of the leading modes, the rates at which they are learned"),
    row(
        "linearised.<part>",
        "number or true/false",
        "",
        "the linear model that stands for trained networks: `features`, `effective_features`, `truncation`, `mixing`, `time`, `time_fitted`, `misfit`, `nearest_time`, `nearest_misfit`, `kernel_drift`, `parameter_movement`",
    ),
    row(
        "one_run.<part>",
        "number",
        "",
        "what single trainings say of all others (`theory.kernel = \"trained\"`): `anchors`, `directions`, `load`, E w tr Var y by `data`, `batches` and `initial`, `effective_features`, `missed`, `loss`",
    ),
    row(
        "one_run.gap.<part>",
        "number",
        "",
        "`gap` between fresh and training loss, `gap_se`, the `ridge` that has it, `variance` E w tr Var y of that ridge",
    ),
    row(
        "one_run.gap.variance_range[]",
        "number",
        "",
        "the same for a gap one standard error lower and higher",
    ),
    row(
        "one_run.fidelity.places",
        "integer",
        "",
        "places at which predicted and measured covariances of F are compared, y = skip x + out F",
    ),
    row(
        "one_run.fidelity.error",
        "number or null",
        "",
        "relative standard error of the ensemble's E tr Var y, and with it of every ratio to it",
    ),
    row(
        "one_run.fidelity.single[].<part>",
        "number or null",
        "",
        "each network alone: `variance_ratio`, `log_correlation` of Var F, `cosine` of Cov F",
    ),
    row(
        "one_run.fidelity.<predictor>.<part>",
        "number or null",
        "",
        "the same of `averaged`, `gap`, `halves` of the ensemble, `constant` F",
    ),
    row("one_run.least_certain[].x[]", "number", "x", "where the score is least certain, D values"),
    row(
        "one_run.least_certain[].<part>",
        "number or null",
        "",
        "its `t`, and `noise_std`, the standard deviation of σ ŝ between trainings",
    ),
    row(
        "likelihood.<level>.<part>",
        "integer",
        "",
        "of held-out points (`data.test`): `points`, `failed`, `models`",
    ),
    row(
        "likelihood.<level>.nats.<part>",
        "number or null",
        "nats",
        "mean of ln q over them: `value`, `lo`, `hi`",
    ),
    row("likelihood.<level>.bits_per_dimension.<part>", "number or null", "bits", "mean of −ln q/(D ln 2)"),
    row(
        "pool.<part>",
        "number",
        "",
        "the pool of models that `finite-p` takes noise from above three dimensions: `models`, `generations`, `change` of the variance in the last one",
    ),
    row(
        "quadrature.<quantity>",
        "number",
        "",
        "relative error of the theory's integrals, from a second resolution",
    ),
    row("timing.<stage>", "number", "s", "wall-clock time of a stage"),
    row("warnings[]", "text", "", "warnings given meanwhile"),
];

/// Columns of `sweep.csv`.
pub static SWEEP_COLUMNS: &[Described] = &[
    row("cell", "integer", "", "the cell's place in the product, from 0"),
    row("<key>", "as in the config", "as in the config", "one column a swept key: its value in the cell"),
    row(
        "quantity",
        "text",
        "",
        "a number of the cell's `summary.json`, its parts `value`, `lo`, `hi` and `floor` in the columns below",
    ),
    row("value", "number or nothing", "the quantity's", "the number"),
    row("lo", "number or nothing", "the quantity's", "lower end of its interval"),
    row("hi", "number or nothing", "the quantity's", "upper end"),
    row("floor", "number or nothing", "the quantity's", "of a distance: the same statistic for equal laws"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_a_bracket_is_one_name_without_dots() {
        assert!(covers("<level>_density", "theory_finite-p_density"));
        assert!(covers("distances.<a>.<b>.<m>.value", "distances.data.ensemble.w1.value"));
        for (pattern, name) in [
            ("<level>_density", "_density"),
            ("<level>_density", "data_density_map"),
            ("kernel.<closure>.correlation", "kernel.a.b.correlation"),
            ("seed", "seeds"),
        ] {
            assert!(!covers(pattern, name), "{pattern} {name}");
        }
    }
}
