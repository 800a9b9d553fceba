//! Pages of docs/ that the program makes: tests hold them to it, and an ignored test writes them.

use std::path::{Path, PathBuf};

/// A page's place in docs/.
pub fn place(name: impl AsRef<Path>) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs")).join(name)
}

/// Fails where a page is not what is made now.
pub fn hold(pages: impl IntoIterator<Item = (PathBuf, String)>) {
    for (path, made) in pages {
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        let path = path.display();
        assert!(
            kept == made,
            "{path} is stale; write it again: cargo test --release -p gtv-cli --lib -- --ignored write_the_pages"
        );
    }
}

/// Writes them.
pub fn write(pages: impl IntoIterator<Item = (PathBuf, String)>) {
    for (path, made) in pages {
        std::fs::write(path, made).unwrap();
    }
}
