//! Codes that nobody can guess.

use uuid::Uuid;

/// 122 random bits from the operating system as 32 lower-case hexadecimal digits.
pub fn random_code() -> String {
    Uuid::new_v4().simple().to_string()
}
