//! One statement for many rows: what costs per statement (a message, a plan, a walk through the executor) is
//! paid once for up to [`LARGEST`] of them. The rows of a call are cut into powers of two, so that a database
//! keeps few statements prepared, and the pieces travel together.

use std::sync::OnceLock;

use futures_util::future::try_join_all;
use kernel::{Error, Result};

use crate::{Db, FromRow, Param, Tx, statements};

/// Rows of the largest statement.
const LARGEST: usize = 256;
/// 1, 2, 4 … [`LARGEST`].
const SIZES: usize = LARGEST.ilog2() as usize + 1;

/// A statement whose `VALUES` have as many rows as there are at hand. Declare it once, as a `static`.
pub struct Many {
    head: &'static str,
    row: &'static str,
    tail: &'static str,
    texts: [OnceLock<String>; SIZES],
}

impl Many {
    /// `head` ends in `VALUES`; `row` is one row in brackets, with a `?` for each of its parameters; `tail` is what
    /// follows the rows. Parameters are numbered row by row.
    pub const fn new(head: &'static str, row: &'static str, tail: &'static str) -> Self {
        Self { head, row, tail, texts: [const { OnceLock::new() }; SIZES] }
    }

    fn width(&self) -> usize {
        self.row.bytes().filter(|byte| *byte == b'?').count()
    }

    /// The statement for `1 << size` rows.
    fn text(&'static self, size: usize) -> &'static str {
        self.texts[size].get_or_init(|| {
            let mut number = 0;
            let mut row = || {
                let numbered = self.row.split('?').enumerate().map(|(place, part)| match place {
                    0 => part.to_string(),
                    _ => {
                        number += 1;
                        format!("${number}{part}")
                    }
                });
                numbered.collect::<String>()
            };
            let rows: Vec<String> = (0..1usize << size).map(|_| row()).collect();
            format!("{} {} {}", self.head, rows.join(", "), self.tail)
        })
    }

    /// Cuts the parameters of many rows into the pieces of single statements.
    fn pieces<'p, 'v>(
        &'static self,
        params: &'p [&'v dyn Param],
    ) -> Result<Vec<(&'static str, &'p [&'v dyn Param])>> {
        let width = self.width();
        if width == 0 || !params.len().is_multiple_of(width) {
            return Err(Error::internal("rows of another width than their statement's"));
        }
        let (mut pieces, mut rest) = (Vec::new(), params);
        while !rest.is_empty() {
            let rows = (rest.len() / width).min(LARGEST);
            let size = rows.ilog2() as usize;
            let (piece, others) = rest.split_at((1 << size) * width);
            pieces.push((self.text(size), piece));
            rest = others;
        }
        Ok(pieces)
    }
}

impl Tx {
    /// Runs `many` for all rows whose parameters follow each other in `params`; answers how many rows changed.
    ///
    /// # Errors
    /// As [`Tx::execute`]; `Internal` if the parameters are not those of whole rows.
    pub async fn execute_many(&self, many: &'static Many, params: &[&dyn Param]) -> Result<u64> {
        let pieces = many.pieces(params)?;
        self.note(many);
        self.prepare(&pieces).await;
        let all = try_join_all(pieces.into_iter().map(|(sql, piece)| self.execute(sql, piece))).await?;
        Ok(all.into_iter().sum())
    }

    /// As [`Tx::execute_many`], for a statement that returns rows; they come in no order.
    ///
    /// # Errors
    /// As there.
    pub async fn all_many<T: FromRow>(&self, many: &'static Many, params: &[&dyn Param]) -> Result<Vec<T>> {
        let pieces = many.pieces(params)?;
        self.note(many);
        self.prepare(&pieces).await;
        let all = try_join_all(pieces.into_iter().map(|(sql, piece)| self.all(sql, piece))).await?;
        Ok(all.into_iter().flatten().collect())
    }

    fn note(&self, many: &'static Many) {
        note(many, self.is_shared());
    }

    /// Pieces travel together in their order if all of them are prepared: one that is not yet would be overtaken.
    async fn prepare(&self, pieces: &[(&'static str, &[&dyn Param])]) {
        if pieces.len() > 1 {
            for (sql, _) in pieces {
                self.prepared(sql).await;
            }
        }
    }
}

impl Db {
    /// As [`Tx::all_many`], for a look outside of any transaction.
    ///
    /// # Errors
    /// As [`Db::all`]; `Internal` if the parameters are not those of whole rows.
    pub async fn all_many<T: FromRow + Send + 'static>(
        &self,
        many: &'static Many,
        params: &[&dyn Param],
    ) -> Result<Vec<T>> {
        note(many, self.is_shared());
        let mut all = Vec::new();
        for (sql, piece) in many.pieces(params)? {
            all.extend(self.all(sql, piece).await?);
        }
        Ok(all)
    }
}

/// Whatever the number of rows, it is one statement that was executed: that of one row stands for it.
fn note(many: &'static Many, is_shared: bool) {
    statements::executed(if is_shared { "postgres" } else { "sqlite" }, many.text(0));
}

#[cfg(test)]
mod tests {
    use super::*;

    static PAIRS: Many = Many::new("INSERT INTO t (a, b, c) VALUES", "(?, 'x', ?)", "ON CONFLICT DO NOTHING");

    #[test]
    fn rows_are_cut_into_powers_of_two_and_numbered_through() {
        let n = 1i64;
        let params: Vec<&dyn Param> = vec![&n; 2 * 327];
        let pieces = PAIRS.pieces(&params).unwrap();
        assert_eq!(pieces.iter().map(|(_, piece)| piece.len() / 2).collect::<Vec<_>>(), [256, 64, 4, 2, 1]);
        assert_eq!(
            pieces[3].0,
            "INSERT INTO t (a, b, c) VALUES ($1, 'x', $2), ($3, 'x', $4) ON CONFLICT DO NOTHING"
        );
        assert!(PAIRS.pieces(&params[..3]).is_err());
    }
}
