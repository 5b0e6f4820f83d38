//! Amounts of MINA as people write them.

use mina_ledger::types::Amount;

/// Nanomina of a MINA.
const MINA: u64 = 1_000_000_000;

/// Reads an amount of MINA with at most nine decimals.
///
/// # Errors
/// What was expected.
pub fn parse_mina(text: &str) -> Result<Amount, String> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || decimals.len() > 9 || !digits(whole) || !digits(decimals) {
        return Err(format!("{text}: expected MINA with at most nine decimals, such as 1.5"));
    }
    let too_much = || format!("{text}: too much");
    let whole: u64 = whole.parse().map_err(|_| too_much())?;
    let decimals: u64 = format!("{decimals:0<9}").parse().map_err(|_| too_much())?;
    let nanomina = whole.checked_mul(MINA).and_then(|whole| whole.checked_add(decimals));
    nanomina.map(Amount::new).ok_or_else(too_much)
}

/// An amount in MINA.
pub fn format_mina(amount: Amount) -> String {
    let (whole, rest) = (amount.get() / MINA, amount.get() % MINA);
    let text = format!("{whole}.{rest:09}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_of_mina() {
        for (text, nanomina) in
            [("1", MINA), ("0.1", MINA / 10), ("1.000000001", MINA + 1), ("0", 0)]
        {
            assert_eq!(parse_mina(text), Ok(Amount::new(nanomina)));
            assert_eq!(format_mina(Amount::new(nanomina)), text);
        }
        for text in ["", ".", ".5", "1.0000000001", "-1", "1e3", "1,5", "18446744074"] {
            assert!(parse_mina(text).is_err(), "{text}");
        }
    }
}
