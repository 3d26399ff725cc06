//! Payment card numbers: their digits, check digit and brand (ISO/IEC 7812-1).

use std::ops::RangeInclusive;

/// How many digits a number has.
const LENGTH: RangeInclusive<usize> = 12..=19;

/// Digits that may be the number of a card.
#[derive(Debug, PartialEq, Eq)]
pub struct CardNumber(Vec<u8>);

impl CardNumber {
    /// Reads 12 to 19 digits; spaces and dashes between them do not count.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let digits = text
            .iter()
            .filter(|byte| !matches!(byte, b' ' | b'-'))
            .map(|byte| byte.is_ascii_digit().then(|| byte - b'0'))
            .collect::<Option<Vec<u8>>>()?;
        LENGTH.contains(&digits.len()).then_some(Self(digits))
    }

    /// Does the last digit check the others? Every second digit from the right is doubled, its digits added, and the
    /// sum of all must be a multiple of ten.
    pub fn is_valid(&self) -> bool {
        let sum: u32 = self
            .0
            .iter()
            .rev()
            .enumerate()
            .map(|(position, &digit)| match (position % 2, digit) {
                (0, digit) => u32::from(digit),
                (_, digit @ 0..=4) => u32::from(digit * 2),
                (_, digit) => u32::from(digit * 2 - 9),
            })
            .sum();
        sum.is_multiple_of(10)
    }

    /// Who issues numbers that begin like this one.
    pub fn brand(&self) -> Option<&'static str> {
        let prefix = self
            .0
            .iter()
            .take(4)
            .fold(0_u32, |number, &digit| number * 10 + u32::from(digit));
        match prefix {
            4000..=4999 => Some("Visa"),
            2221..=2720 | 5100..=5599 => Some("Mastercard"),
            3400..=3499 | 3700..=3799 => Some("American Express"),
            3528..=3589 => Some("JCB"),
            3000..=3059 | 3600..=3699 | 3800..=3999 => Some("Diners Club"),
            6011 | 6440..=6599 => Some("Discover"),
            6200..=6299 => Some("UnionPay"),
            5000..=5099 | 5600..=5899 | 6300..=6399 | 6700..=6799 => Some("Maestro"),
            _ => None,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    /// Numbers that the brands publish for testing.
    const SAMPLES: [(&str, &str); 9] = [
        ("4111 1111 1111 1111", "Visa"),
        ("4222222222222", "Visa"),
        ("5555-5555-5555-4444", "Mastercard"),
        ("2223003122003222", "Mastercard"),
        ("378282246310005", "American Express"),
        ("3530111333300000", "JCB"),
        ("30569309025904", "Diners Club"),
        ("6011111111111117", "Discover"),
        ("6200000000000005", "UnionPay"),
    ];

    #[test]
    fn known_numbers_are_valid() {
        for (text, brand) in SAMPLES {
            let number = CardNumber::parse(text.as_bytes()).unwrap();
            assert!(number.is_valid(), "{text}");
            assert_eq!(number.brand(), Some(brand), "{text}");
        }
    }

    #[test]
    fn every_single_wrong_digit_is_found() {
        let right = CardNumber::parse(b"4111111111111111").unwrap();
        for position in 0..right.0.len() {
            for wrong in (0..10).filter(|&digit| digit != right.0[position]) {
                let mut digits = right.0.clone();
                digits[position] = wrong;
                assert!(!CardNumber(digits).is_valid(), "{wrong} at {position}");
            }
        }
    }

    #[test]
    fn only_12_to_19_digits_are_a_number() {
        assert!(CardNumber::parse(&[b'0'; 12]).is_some());
        assert!(CardNumber::parse(&[b'0'; 19]).is_some());
        for text in [
            &b""[..],
            &[b'0'; 11],
            &[b'0'; 20],
            b"4111.1111.1111.1111",
            b"411111111111111\xB9",
        ] {
            assert_eq!(CardNumber::parse(text), None, "{text:?}");
        }
    }
}
