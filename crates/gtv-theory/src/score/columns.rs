//! A tile cut into bands of columns, one after the other: work on few points of it stays in the cache and on few pages.

use super::queries::Tile;
use super::real::{Real, Rows};

/// Bytes of a point in a band: twelve registers of AVX2.
const BAND: usize = 384;

/// The bands of one tile.
#[derive(Default)]
pub(super) struct Columns<T> {
    values: Vec<T>,
    len: usize,
    width: usize,
}

impl<T: Real> Columns<T> {
    /// Takes up a tile.
    pub(super) fn fill(&mut self, tile: Tile<T>) {
        (self.len, self.width) = (tile.len, tile.width);
        self.values.clear();
        for first in (0..tile.width).step_by(Self::band()) {
            let columns = first..(first + Self::band()).min(tile.width);
            for point in tile.points.chunks_exact(tile.width) {
                self.values.extend_from_slice(&point[columns.clone()]);
            }
        }
    }

    /// acc += w μ over the listed weights (points of the tile and their weights, query after query).
    ///
    /// # Shapes
    /// `ends`: n, where each query's entries end; `acc`: n × width.
    pub(super) fn add_products(&self, entries: &[(u16, T)], ends: &[usize], acc: &mut [T]) {
        pulp::Arch::new().dispatch(Products { columns: self, entries, ends, acc });
    }

    /// values += x·μ of the points listed for each query.
    ///
    /// # Shapes
    /// `x`: n × width; `ends`: n, where each query's points end; `values`: one each.
    pub(super) fn add_dots(&self, x: &[T], points: &[u16], ends: &[usize], values: &mut [T]) {
        pulp::Arch::new().dispatch(Dots { columns: self, x, points, ends, values });
    }

    fn band() -> usize {
        BAND / size_of::<T>()
    }

    /// The first column of each band, and its rows.
    #[inline(always)]
    fn bands(&self) -> impl Iterator<Item = (usize, Rows<'_, T>)> {
        (0..self.width).step_by(Self::band()).map(|first| {
            let width = Self::band().min(self.width - first);
            (first, Rows { values: &self.values[first * self.len..][..width * self.len], width, skip: 0 })
        })
    }
}

struct Products<'a, T> {
    columns: &'a Columns<T>,
    entries: &'a [(u16, T)],
    ends: &'a [usize],
    acc: &'a mut [T],
}

impl<T: Real> pulp::WithSimd for Products<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, simd: S) {
        let Self { columns, entries, ends, acc } = self;
        for (first, mut rows) in columns.bands() {
            while rows.skip < rows.width {
                let (mut begin, mut done) = (0, rows.width);
                for (end, acc) in ends.iter().zip(acc.chunks_exact_mut(columns.width)) {
                    let acc = &mut acc[first..first + rows.width][rows.skip..];
                    done = T::add_rows(simd, rows, &entries[begin..*end], acc);
                    begin = *end;
                }
                rows.skip += done;
            }
        }
    }
}

struct Dots<'a, T> {
    columns: &'a Columns<T>,
    x: &'a [T],
    points: &'a [u16],
    ends: &'a [usize],
    values: &'a mut [T],
}

impl<T: Real> pulp::WithSimd for Dots<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, simd: S) {
        let Self { columns, x, points, ends, values } = self;
        for (first, mut rows) in columns.bands() {
            while rows.skip < rows.width {
                let (mut begin, mut done) = (0, rows.width);
                for (end, x) in ends.iter().zip(x.chunks_exact(columns.width)) {
                    let x = &x[first..first + rows.width][rows.skip..];
                    done = T::add_dots(simd, rows, &points[begin..*end], x, &mut values[begin..*end]);
                    begin = *end;
                }
                rows.skip += done;
            }
        }
    }
}
