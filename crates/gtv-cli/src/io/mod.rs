//! Files in and out: arrays from npy, npz and csv, always f64 row-major; results written to a temporary name and renamed.

mod array;
mod csv_file;
mod error;
mod npy;
mod npy_header;
mod source;
mod values;
mod write;

pub use array::{Array, read_array};
pub use error::{ReadError, WriteError};
pub use npy::{Entry, read_archive, read_arrays};
pub use source::{STDIN, read_limited};
pub use write::{
    Compression, Named, Sink, check_writable, is_temporary, remove_leftovers, write_atomic, write_bytes,
    write_csv, write_json, write_npy, write_npz,
};
