//! Values of the command line.

use crate::Result;

/// A list of numbers from 1 to `most`, none of them twice.
pub fn numbers(name: &str, value: &str, most: usize) -> Result<Vec<usize>> {
    let numbers: Vec<usize> = value.split(',').map(|one| number(name, one, most)).collect::<Result<_>>()?;
    let twice = numbers.iter().enumerate().any(|(place, one)| numbers[..place].contains(one));
    if twice { Err(format!("{name} names a number twice").into()) } else { Ok(numbers) }
}

/// A number from 1 to `most`.
pub fn number(name: &str, value: &str, most: usize) -> Result<usize> {
    let number = value.parse().ok().filter(|number| (1..=most).contains(number));
    Ok(number.ok_or_else(|| format!("{name} wants numbers from 1 to {most}"))?)
}
